"""A net under a plan on a device behind a tracker: our sparse and dense forms, in turns."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..prune import prune
from ..runtime.device import Device
from ..runtime.remote import RemoteEngine
from ..runtime.tracker import Remote
from ..sparsity.plan import Plan
from ..targets import resolve
from .compare import OURS, OURS_DENSE, OURS_DIRECT, our_forms
from .contest import Outcome, relative_error
from .machine import Machine
from .model_files import expected_outputs
from .nets import Net, net as net_of
from .nets.named import SEED
from .operations import count_operations
from .peers import peers
from .result import BenchResult
from .timing import summarise

log = logging.getLogger(__name__)

ROUNDS, REPEATS = 5, 4


def bench_on_device(
    net: str | Net,
    plan: str | Path | Plan,
    remote: Remote,
    target: str = "cpu",
    threads: int | None = None,
    progress: Callable[[str], None] = log.info,
) -> BenchResult:
    """Prune by magnitude, compile sparse and dense with what was tuned on the device, and time all
    on it by its own clock. One whose outputs differ from torch's gets no time.
    """
    device = resolve(target, threads, remote.key)
    dense = net_of(net) if isinstance(net, str) else net
    rules = plan if isinstance(plan, Plan) else Plan.load(plan)
    progress(f"compiling {dense.name}, sparse and dense")
    pruned = replace(dense, module=prune(dense.module, rules))
    where = {"target": target, "threads": threads, "device": remote.key}
    artifacts = our_forms(dense, pruned, rules, **where)
    inputs = [x.numpy() for x in dense.example_inputs]
    expected = {"pruned": expected_outputs(pruned), "dense": expected_outputs(dense)}
    errors, rounds = {}, {name: [] for name in artifacts}
    with Device(remote, device.threads) as there:
        engines = {name: RemoteEngine(artifact, there) for name, artifact in artifacts.items()}
        for name, engine in engines.items():
            outputs = engine(inputs)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            truth = expected["pruned" if name == OURS else "dense"]
            errors[name] = relative_error(outputs, truth)
        for number in range(1, ROUNDS + 1):
            progress(f"round {number} of {ROUNDS}")
            for name, engine in engines.items():
                seconds = engine.seconds(inputs, REPEATS)
                rounds[name].append(tuple(1e3 * one for one in seconds))
    outcomes = {name: _outcome(errors[name], rounds[name]) for name in artifacts}
    return BenchResult(
        net=dense.name,
        description=dense.description,
        plan=rules.to_toml() if isinstance(plan, Plan) else str(plan),
        threads=device.threads,
        seconds=round(sum(map(sum, rounds[OURS])) / 1e3, 3),
        seed=SEED,
        machine=Machine(device.device, device.threads, target),
        operations=count_operations(pruned),
        ours=outcomes[OURS],
        ours_dense=outcomes[OURS_DENSE],
        ours_direct=outcomes[OURS_DIRECT],
        dense_peers={},
        sparse_peers={},
        layers=(),
    )


def _outcome(error: float, rounds: list[tuple[float, ...]]) -> Outcome:
    if error > (allowed := peers[OURS].tolerance):
        said = f"its outputs are off by {error:.1e} of the largest value; {allowed:.0e} is allowed"
        return Outcome(None, error, None, said)
    return Outcome(summarise(rounds, []), error)
