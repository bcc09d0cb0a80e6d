"""A net under a plan, our engine against its peers: the whole bench on one page."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from .. import compiler
from ..prune import prune
from ..runtime.artifact import Artifact
from ..runtime.engine import load
from ..sparsity.plan import Plan
from .contest import Contender, contest
from .layers import layer_rows
from .machine import machine
from .model_files import expected_outputs, write_inputs, write_model
from .nets import Net, net as net_of
from .nets.named import SEED
from .operations import count_operations
from .peers import Peer, peers as known_peers
from .result import BenchResult

log = logging.getLogger(__name__)

DEFAULT_PEERS = ("onnxruntime", "openvino", "torch", "mnn", "ncnn", "deepsparse")
OURS, OURS_DENSE = "sparsetvm", "sparsetvm_dense"
SPARSE = "_sparse"
"""Ends the name of a peer that gains from zeros, where it is timed on the pruned weights."""
SECONDS = 1.2


def bench(
    net: str | Net,
    plan: str | Path | Plan,
    peers: Iterable[str] = DEFAULT_PEERS,
    threads: int = 1,
    seconds: float = SECONDS,
    progress: Callable[[str], None] = log.info,
) -> BenchResult:
    """Prune, compile sparse and dense, and time both beside the peers, about `seconds` for each.

    Every engine runs in a process of its own, one at a time, in shuffled blocks. All get the pruned
    weights, so that all outputs are the same; only an engine that gains from zeros is timed on the
    dense weights too. An engine whose outputs differ from torch's gets no time.
    """
    named = [known_peers[name] for name in dict.fromkeys(peers) if name != OURS]
    net = net_of(net) if isinstance(net, str) else net
    rules = plan if isinstance(plan, Plan) else Plan.load(plan)
    progress(f"pruning {net.name}")
    pruned = replace(net, module=prune(net.module, rules))
    progress(f"compiling {net.name}, sparse and dense")
    artifacts = {
        OURS: _compile(pruned, rules, threads),
        OURS_DENSE: _compile(pruned, Plan(), threads),
    }
    with TemporaryDirectory(prefix="sparsetvm-bench-") as folder:
        contenders = [
            *_ours(artifacts, pruned, Path(folder)),
            *_theirs(named, net, pruned, Path(folder)),
        ]
        inputs = write_inputs(net, Path(folder))
        outcomes = contest(contenders, inputs, threads, seconds, SEED, progress)
    progress("profiling the layers")
    arrays = [x.numpy() for x in net.example_inputs]
    return BenchResult(
        net=net.name,
        description=net.description,
        plan=rules.to_toml() if isinstance(plan, Plan) else str(plan),
        threads=threads,
        seconds=seconds,
        seed=SEED,
        machine=machine(),
        operations=count_operations(pruned),
        ours=outcomes.pop(OURS),
        ours_dense=outcomes.pop(OURS_DENSE),
        dense_peers={n: o for n, o in outcomes.items() if not n.endswith(SPARSE)},
        sparse_peers={n: o for n, o in outcomes.items() if n.endswith(SPARSE)},
        layers=layer_rows(*(load(artifact).profile(arrays) for artifact in artifacts.values())),
    )


def _compile(net: Net, plan: Plan, threads: int) -> Artifact:
    return compiler.compile(
        net.module, net.example_inputs, plan=plan, target="cpu", threads=threads
    )


def _ours(artifacts: dict[str, Artifact], pruned: Net, folder: Path) -> Iterator[Contender]:
    expected = expected_outputs(pruned)
    for name, artifact in artifacts.items():
        path = folder / f"{name}.stvm"
        artifact.save(path)
        yield Contender(name, known_peers[OURS], path, expected)


def _theirs(named: list[Peer], net: Net, pruned: Net, folder: Path) -> Iterator[Contender]:
    """Peers with their model files; deepsparse with two, as deepsparse and deepsparse_sparse."""
    forms = {"dense": net, "pruned": pruned}
    expected = {form: expected_outputs(net) for form, net in forms.items()}
    for peer in named:
        wanted = {"": "dense", SPARSE: "pruned"} if peer.gains_from_zeros else {"": "pruned"}
        for ending, form in wanted.items():
            model = write_model(forms[form], folder / form, peer.reads)
            yield Contender(peer.name + ending, peer, model, expected[form])
