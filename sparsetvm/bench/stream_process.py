"""One net in a process of its own that answers by its own timer: what several nets are without us.

    python -m sparsetvm.bench.stream_process net.stvm --rate 30 --when-busy latest --threads 2

It speaks in lines of JSON:

    loads the net, runs it a few times                       ->  {"ready": true}
    {"start": t, "seconds": s}, of the monotonic clock       ->  {"latencies": [...], "dropped": n,
                                                                  "cpu_seconds": s}

and it ends with its standard input.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from ..runtime.engine import load
from ..runtime.inputs import random_inputs
from ..runtime.stream import DROP, LATEST, now

WARMUP = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artifact")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--when-busy", required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    engine = load(arguments.artifact)
    engine.threads = min(engine.threads, arguments.threads)
    x = random_inputs(engine.manifest)
    for _ in range(WARMUP):
        engine(x)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked, before = json.loads(line), time.process_time()
        latencies, dropped = answer(
            lambda: engine(x),
            asked["start"],
            asked["seconds"],
            arguments.rate,
            arguments.when_busy,
        )
        said = {
            "latencies": latencies,
            "dropped": dropped,
            "cpu_seconds": time.process_time() - before,
        }
        print(json.dumps(said), flush=True)


def answer(
    run: Callable[[], Any], start: float, seconds: float, rate: float, when_busy: str
) -> tuple[list[float], int]:
    """Seconds from request to answer of each that was answered, and how many were not.

    Requests come at start + k / rate. What comes during a run waits (`queue`), gives way to the
    latest, or is dropped.
    """
    latencies: list[float] = []
    requests = round(seconds * rate)
    number = 0
    while number < requests:
        asked = start + number / rate
        time.sleep(max(0.0, asked - now()))
        run()
        answered = now()
        latencies.append(answered - asked)
        come = int((answered - start) * rate)  # the latest that has come by now
        if when_busy == LATEST:
            number = max(number + 1, come)
        elif when_busy == DROP:
            number = max(number, come) + 1
        else:
            number += 1
    return latencies, requests - len(latencies)


if __name__ == "__main__":
    main()
