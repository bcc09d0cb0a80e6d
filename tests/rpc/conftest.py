"""Trackers and servers on loopback: this machine as the device."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sparsetvm.errors import DeviceError
from sparsetvm.runtime.tracker import Tracker
from tests.rpc.machines import end

KEY = "this-machine"
START = 120
"""Seconds in which a server is there, on a machine that has much else to do."""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(key, tracker, count=1, seconds=START):
    """Until so many devices of `key` are free."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if any(one.key == key and one.free >= count for one in Tracker(tracker).devices()):
                return
        except DeviceError:  # the tracker is not up yet
            pass
        time.sleep(0.1)
    raise AssertionError(f"{key} did not come within {seconds} s")


class Machines:
    """Starts trackers and servers, each in an instant."""

    def __init__(self, log):
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("machines.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert self._process.stdout.readline() == "ready\n"

    def start(self, **how):
        """The process that is a tracker, or a server; how: as machines.py says."""
        self._process.stdin.write(f"{json.dumps(how)}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait()


@pytest.fixture(scope="session")
def machines(tmp_path_factory):
    with (tmp_path_factory.mktemp("rpc") / "log.txt").open("w") as log:
        machines = Machines(log)
        yield machines
        machines.close()


@pytest.fixture(scope="session")
def tracker_port(machines):
    port = free_port()
    machines.start(tracker=port)
    return port


@pytest.fixture(scope="session")
def tracker(tracker_port):
    return f"127.0.0.1:{tracker_port}"


@pytest.fixture(scope="session")
def device(machines, tracker, tracker_port):
    machines.start(server=free_port(), tracker=tracker_port, key=KEY)
    wait_for(KEY, tracker)
    return KEY


@pytest.fixture
def serve(machines, tracker, tracker_port):
    """serve("pixel", wrong=…) starts a server of its own for a test; its port and its process."""
    started = []

    def start(key, port=None, tracker_port=tracker_port, **how):
        port = port or free_port()
        started.append(machines.start(server=port, tracker=tracker_port, key=key, **how))
        wait_for(key, f"127.0.0.1:{tracker_port}")
        return port, started[-1]

    yield start
    for process in started:
        end(process)
