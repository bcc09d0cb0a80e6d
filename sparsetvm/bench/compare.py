"""A net under a plan, our engine against its peers: the whole bench on one page."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .. import compiler
from ..prune import prune
from ..runtime.artifact import Artifact
from ..runtime.engine import load
from ..runtime.profile import Profile
from ..sparsity.plan import Plan
from .contest import Contender, Outcome, contest
from .layers import layer_rows
from .machine import machine
from .model_files import expected_outputs, write_inputs, write_model
from .nets import Net, net as net_of
from .nets.named import SEED
from .operations import count_operations
from .peers import Peer, peers as known_peers
from .result import BenchResult
from .unstructured import prune_unstructured

log = logging.getLogger(__name__)

DEFAULT_PEERS = ("onnxruntime", "openvino", "torch", "mnn", "ncnn", "deepsparse")
OURS, OURS_DENSE, OURS_DIRECT = "sparsetvm", "sparsetvm_dense", "sparsetvm_dense_direct"
"""Ours; on dense weights, each layer in its fastest form; the same with direct layers only, which
do all operations: what a realised fraction refers to."""
SPARSE, UNSTRUCTURED = "_sparse", "_90"
"""End the names of a peer that gains from zeros, where it is timed on the pruned weights, and on
weights that suit it better: each layer's smallest 90 % are zero, wherever they are."""
SECONDS = 1.2


def bench(
    net: str | Net,
    plan: str | Path | Plan,
    peers: Iterable[str] = DEFAULT_PEERS,
    threads: int = 1,
    seconds: float = SECONDS,
    progress: Callable[[str], None] = log.info,
) -> BenchResult:
    """Prune by magnitude, compile sparse and dense, and time both beside the peers; see
    `compare`."""
    dense = net_of(net) if isinstance(net, str) else net
    rules = plan if isinstance(plan, Plan) else Plan.load(plan)
    peers = [known_peers[name].name for name in peers]  # an unknown one is refused before long work
    progress(f"pruning {dense.name}")
    pruned = replace(dense, module=prune(dense.module, rules))
    name = rules.to_toml() if isinstance(plan, Plan) else str(plan)
    return compare(dense, pruned, rules, name, peers, threads, seconds, progress)


def compare(
    dense: Net,
    pruned: Net,
    plan: Plan,
    plan_name: str,
    peers: Iterable[str] = DEFAULT_PEERS,
    threads: int = 1,
    seconds: float = SECONDS,
    progress: Callable[[str], None] = log.info,
) -> BenchResult:
    """Compile a net and its pruned form, and time both beside the peers, about `seconds` for each.

    Every engine runs in a process of its own, one at a time, in shuffled blocks. Dense engines get
    the pruned weights, so that all outputs are the same; what gains from zeros, ours included, is
    timed on the pruned weights and, as its dense form, on the dense ones; a peer of this kind also
    on a net that is pruned as suits it. An engine whose outputs differ from torch's on the same
    weights gets no time.
    """
    named = [known_peers[name] for name in dict.fromkeys(peers) if name != OURS]
    progress(f"compiling {dense.name}, sparse and dense")
    artifacts = our_forms(dense, pruned, plan, threads=threads)
    with TemporaryDirectory(prefix="sparsetvm-bench-") as folder:
        contenders = _contenders(artifacts, named, dense, pruned, Path(folder))
        inputs = write_inputs(dense, Path(folder))
        outcomes = contest(contenders, inputs, threads, seconds, SEED, progress)
    progress("profiling the layers")
    profiles = [_profile(artifacts[n], dense, outcomes[n]) for n in (OURS, OURS_DIRECT)]
    return BenchResult(
        net=dense.name,
        description=dense.description,
        plan=plan_name,
        threads=threads,
        seconds=seconds,
        seed=SEED,
        machine=machine(),
        operations=count_operations(pruned),
        ours=outcomes.pop(OURS),
        ours_dense=outcomes.pop(OURS_DENSE),
        ours_direct=outcomes.pop(OURS_DIRECT),
        dense_peers={n: o for n, o in outcomes.items() if n in known_peers},
        sparse_peers={n: o for n, o in outcomes.items() if n not in known_peers},
        layers=layer_rows(*profiles),
    )


def our_forms(dense: Net, pruned: Net, plan: Plan, **where: Any) -> dict[str, Artifact]:
    """OURS, OURS_DENSE and OURS_DIRECT; `where` they run, as compile takes it."""

    def compiled(net: Net, plan: Plan, winograd: bool = True) -> Artifact:
        return compiler.compile(
            net.module, net.example_inputs, plan=plan, winograd=winograd, **where
        )

    return {
        OURS: compiled(pruned, plan),
        OURS_DENSE: compiled(dense, Plan()),
        OURS_DIRECT: compiled(dense, Plan(), winograd=False),
    }


def _profile(artifact: Artifact, net: Net, outcome: Outcome) -> Profile:
    """As many repeats as fit into SECONDS, between 3 and 20; a profile runs each one twice."""
    repeats = round(500 * SECONDS / outcome.timing.ms) if outcome.timing else 0
    inputs = [x.numpy() for x in net.example_inputs]
    return load(artifact).profile(inputs, repeats=min(max(repeats, 3), 20))


def _contenders(
    artifacts: dict[str, Artifact], named: list[Peer], dense: Net, pruned: Net, folder: Path
) -> list[Contender]:
    """Everyone with a model file; who gains from zeros three times: deepsparse, deepsparse_sparse,
    deepsparse_90."""
    nets = {"dense": dense, "pruned": pruned}
    if any(peer.gains_from_zeros for peer in named):
        nets["unstructured"] = prune_unstructured(dense, zeros=0.9)
    expected = {form: expected_outputs(net) for form, net in nets.items()}
    contenders = []
    for name, form in ((OURS, "pruned"), (OURS_DENSE, "dense"), (OURS_DIRECT, "dense")):
        path = folder / f"{name}.stvm"
        artifacts[name].save(path)
        contenders.append(Contender(name, known_peers[OURS], path, expected[form]))
    every = {"": "dense", SPARSE: "pruned", UNSTRUCTURED: "unstructured"}
    for peer in named:
        for ending, form in (every if peer.gains_from_zeros else {"": "pruned"}).items():
            model = write_model(nets[form], folder / form, peer.reads)
            contenders.append(Contender(peer.name + ending, peer, model, expected[form]))
    return contenders
