"""One peer in a process of its own, with the interpreter of its own environment; needs numpy only.

    python -m sparsetvm.bench.worker onnxruntime model.onnx inputs.npz outputs.npz --threads 1

It speaks in lines of JSON:

    loads, runs once, saves the outputs     ->  {"ready": "1.32.0"}, the version
    {"run": 20}                             ->  {"ms": [...], "cpu_seconds": s, "waited_seconds": s}
    what is not installed, what went wrong  ->  {"missing": "..."}, {"error": "..."}, and it ends

and it ends with its standard input.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from .peers import Peer, Run, peers
from .peers.step import steps

Say = Callable[..., None]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer")
    parser.add_argument("model", type=Path)
    parser.add_argument("inputs", type=Path)
    parser.add_argument("outputs", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    say = _protocol()
    try:
        run = _load(arguments)
        say(ready=_version(_peer(arguments.peer).package))
        _serve(run, say)
    except ModuleNotFoundError as err:
        say(missing=str(err))
        return 1
    except Exception as err:  # whatever an engine raises is this peer's answer, not a crash of ours
        say(error=f"{type(err).__name__}: {err}")
        return 1
    return 0


def _peer(name: str) -> Peer:
    return steps[name] if name in steps else peers[name]


def _protocol() -> Say:
    """Standard output for us alone: what engines print there goes to stderr from now on."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return lambda **message: print(json.dumps(message), file=channel, flush=True)


def _load(arguments: argparse.Namespace) -> Run:
    with np.load(arguments.inputs) as arrays:
        inputs = [arrays[name] for name in arrays.files]
    run = _peer(arguments.peer).load(arguments.model.resolve(), inputs, arguments.threads)
    np.savez(arguments.outputs, *run())
    return run


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a checkout that is run by path, as ours
        return sys.modules[package].__version__


def _serve(run: Run, say: Say) -> None:
    for line in sys.stdin:
        say(**_time(run, json.loads(line)["run"]))


def _time(run: Run, runs: int) -> dict[str, list[float] | float]:
    """Milliseconds of each of `runs` inferences, after one that warms the caches again."""
    cpu, waited = time.process_time(), _waited()
    run()
    milliseconds = []
    for _ in range(runs):
        before = time.perf_counter()
        run()
        milliseconds.append(1e3 * (time.perf_counter() - before))
    return {
        "ms": milliseconds,
        "cpu_seconds": time.process_time() - cpu,
        "waited_seconds": _waited() - waited,
    }


def _waited() -> float:
    """Seconds that our threads were ready but others had the core; 0 where Linux does not tell."""
    tasks = Path("/proc/self/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[1]) for task in tasks) / 1e9


if __name__ == "__main__":
    sys.exit(main())
