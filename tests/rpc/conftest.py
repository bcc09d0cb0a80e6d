"""A tracker and a server on loopback: this machine as the device."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from sparsetvm.runtime.tracker import Tracker

KEY = "this-machine"
START = 300
"""Seconds in which a server is there."""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def start(program, *options):
    port = free_port()
    command = [sys.executable, "-m", f"tvm.exec.{program}", "--host=127.0.0.1", *options]
    process = subprocess.Popen(
        [*command, f"--port={port}", f"--port-end={port + 1}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return process, port


def stop(process):
    """It and the processes that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(key, tracker, count=1):
    end = time.monotonic() + START
    while time.monotonic() < end:
        try:
            if any(one.key == key and one.free >= count for one in Tracker(tracker).devices()):
                return
        except Exception:  # it is not up yet
            pass
        time.sleep(0.2)
    raise AssertionError(f"{key} did not come within {START} s")


@pytest.fixture(scope="session")
def tracker():
    process, port = start("rpc_tracker")
    yield f"127.0.0.1:{port}"
    stop(process)


@pytest.fixture(scope="session")
def device(tracker):
    process, _ = start("rpc_server", f"--tracker={tracker}", f"--key={KEY}")
    wait_for(KEY, tracker)
    yield KEY
    stop(process)
