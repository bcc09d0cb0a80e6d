"""The table of docs/relay.md: VGG-11-bn inside TVM 0.19, sparse and dense, by default and tuned.

    TVM_NUM_THREADS=1 PYTHONPATH=. .venv-relay/bin/python tests_relay/figures.py records/

Tunes for some minutes, and goes on where it was stopped; `records/` keeps what it found.
"""

import os

os.environ["TOPHUB_LOCATION"] = "NONE"  # or TVM asks the network for tuned schedules

import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import nets
import torch
import tvm
from graphs import TARGET, build, from_torch, relative_error
from tvm.contrib.graph_executor import GraphModule

import sparsetvm as st
from sparsetvm.passes import relay as sparse
from sparsetvm.tune import relay as tuning

SIZE, TRIALS, ROUNDS, RUNS = 96, 16, 15, 3
TOLERANCE = 1e-3  # max |difference| / max |y|


def main(folder: Path) -> None:
    plan = st.Plan.load("pattern8x-b8")
    net, x = st.prune(nets.vgg11_bn(SIZE), plan), nets.image(SIZE)
    with torch.no_grad():
        y = net(x).numpy()
    module, params = from_torch(net, x)
    lowered, dense = sparse.pipeline(plan, params)(module), sparse.Canonicalise(params)(module)
    tuning.tune(lowered, TARGET, folder / "sparse", TRIALS)
    tuning.tune(dense, TARGET, folder / "dense", TRIALS, whole=True)
    executors = {
        "sparse, default schedule": GraphModule(build(lowered)["default"](tvm.cpu())),
        "sparse, tuned": _tuned(lowered, folder / "sparse", whole=False),
        "dense, by TOPI": GraphModule(build(dense)["default"](tvm.cpu())),
        "dense, tuned": _tuned(dense, folder / "dense", whole=True),
    }
    for executor in executors.values():
        executor.set_input("x", x.numpy())
        executor.run()
        assert relative_error(executor.get_output(0).numpy(), y) < TOLERANCE
    times = {name: [] for name in executors}
    for _ in range(ROUNDS):
        for name, executor in executors.items():
            times[name].append(_milliseconds(executor))
    for name, found in times.items():
        print(f"{name:26} median {median(found):6.2f} ms   least {min(found):6.2f} ms")


def _tuned(module: tvm.IRModule, folder: Path, whole: bool) -> GraphModule:
    library = tuning.build(module, TARGET, folder, whole=whole)
    return GraphModule(library["default"](tvm.cpu()))


def _milliseconds(executor: GraphModule) -> float:
    """Of one run, after one that fills the caches."""
    executor.run()
    start = perf_counter()
    for _ in range(RUNS):
        executor.run()
    return (perf_counter() - start) / RUNS * 1e3


if __name__ == "__main__":
    main(Path(sys.argv[1]))
