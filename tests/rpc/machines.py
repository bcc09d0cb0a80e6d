"""Trackers and RPC servers for tests that break them: one process that has imported TVM and forks
one for each line of its standard input; all of them die when that closes.

python machines.py        a line: {"tracker": 9190} or {"server": 9090, "tracker": 9190, "key": …}
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from tvm.rpc import server, tracker

LOOPBACK = "127.0.0.1"


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries the dead
    children = []
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.setsid()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            sys.stdout = sys.stderr
            machine(**json.loads(line))
            return
        children.append(child)
        print(child, flush=True)
    for child in children:
        end(child)


def machine(tracker: int, server: int | None = None, **how) -> None:
    """Its threads go on when this returns."""
    if server is None:
        tracker_at(tracker)
    else:
        server_at(server, tracker, **how)


def tracker_at(port: int) -> None:
    tracker.PopenTrackerServerState(LOOPBACK, port, port + 1)


def server_at(
    port: int,
    tracker: int,
    key: str,
    address: str | None = None,
    slow: float = 0,
    wrong: tuple[str, str] = ("", ""),
) -> None:
    """`address` is what it is known by instead of its own; `slow` the seconds by which it loads a
    library late; `wrong` a library to load instead while a file is there."""
    load = server._load_module
    library, flag = wrong

    def load_late_or_wrong(path: str):
        time.sleep(slow)
        return load(library if library and Path(flag).exists() else path)

    server._load_module = load_late_or_wrong
    server.PopenRPCServerState(
        LOOPBACK, port, port + 1, tracker_addr=(LOOPBACK, tracker), key=key, custom_addr=address
    )


def end(process: int) -> None:
    """It and all that it started."""
    try:
        os.killpg(process, signal.SIGKILL)
        while True:
            os.kill(process, 0)
            time.sleep(0.01)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    main()
