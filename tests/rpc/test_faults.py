"""Devices fail, tuning does not: it waits, tries again, and says once what happened."""

import re
import socket
import sys
import threading
import time
from contextlib import suppress
from itertools import accumulate

import pytest

from sparsetvm._tvm import tvm
from sparsetvm.runtime.tracker import Remote
from sparsetvm.targets import resolve
from sparsetvm.tune.cost_model import CostModel
from sparsetvm.tune.database import Database
from sparsetvm.tune.record import QUARANTINED, VERIFIED
from sparsetvm.tune.search import search
from sparsetvm.tune.worker import Worker
from tests.rpc.conftest import free_port
from tests.rpc.machines import end
from tests.tune.conftest import ir, task  # noqa: F401  fixtures
from tests.tune.test_session import errs, hangs, planted

TRIALS = 3
LIMIT = 30.0
"""Seconds for a candidate, which takes 0.1 on a quiet machine."""


@pytest.fixture
def tuned(task, tracker, tmp_path, monkeypatch):  # noqa: F811
    """tuned("pixel", errs, after=…, doubt=…) tunes there; the second candidate errs. `after` is
    called after the first, `doubt` when one fails and is about to be tried again."""

    def run(
        key, bad=None, after=None, doubt=None, tracker=tracker, limit=LIMIT, count=1, trials=TRIALS
    ):
        doubts, times = [doubt] if doubt else [], []

        class Planted(Worker):
            def __init__(self, *arguments):
                self._planted = iter([None, None, bad])  # first what a session begins with
                super().__init__(*arguments, limit=limit)

            def program(self, module):
                bad = next(self._planted, None)
                return super().program(
                    tvm.IRModule({"main": planted(module, bad)}) if bad else module
                )

            def measure(self, program):
                times.append((time.monotonic(), +1))
                measured = super().measure(program)
                times.append((time.monotonic(), -1))
                if measured.doubtful and doubts:
                    doubts.pop()()
                return measured

        monkeypatch.setattr(sys.modules[search.__module__], "Worker", Planted)
        target = resolve("cpu", 1, key)
        database = Database(tmp_path / "tuning.db", device=target.device, threads=1)
        heard, happened = [], []

        def tell(measured):
            heard.append(measured)
            if len(heard) == 1 and after:
                after()

        devices = happened.append, [Remote(key, tracker)] * count
        search(task, target, database, trials, CostModel(0), 0, tell, *devices)
        counts = {s: database.store.count(database.place, None, [s]) for s in STATES}
        assert len(heard) == sum(counts.values()) == trials, happened
        at_once = max(accumulate(change for _, change in sorted(times)))
        return heard, happened, counts, at_once

    return run


STATES = (VERIFIED, QUARANTINED)


def test_a_server_that_is_killed_while_it_measures_is_awaited(tuned, serve):
    port, process = serve("killed", slow=1)
    kill = threading.Timer(0.5, end, [process])  # the next candidate takes a second and more

    _, happened, counts, _ = tuned("killed", after=kill.start, doubt=lambda: serve("killed", port))

    assert counts == {VERIFIED: TRIALS, QUARANTINED: 0}
    assert len(happened) == 1, happened
    assert re.fullmatch(
        r"device 'killed at .*failed or went away.*again: all was well", happened[0]
    )


def test_a_tracker_that_is_restarted_is_awaited(tuned, serve, machines):
    port = free_port()
    first = machines.start(tracker=port)
    serve("kept", tracker_port=port)
    restart = threading.Timer(2, machines.start, kwargs={"tracker": port})

    heard, happened, counts, _ = tuned(
        "kept", errs, lambda: end(first), restart.start, f"127.0.0.1:{port}"
    )

    assert counts == {VERIFIED: TRIALS - 1, QUARANTINED: 1}
    assert "is off by" in heard[1].failure
    away, wrong = happened
    assert away.startswith("no tracker answers") and "it went on after" in away
    assert wrong == f"{heard[1].failure}; the candidate was tried again: {heard[1].failure}"


def test_a_kernel_that_hangs_is_set_apart_and_its_device_goes_on(tuned, serve):
    serve("hung")

    limit = 3

    heard, happened, counts, _ = tuned("hung", hangs, limit=limit)

    assert counts == {VERIFIED: TRIALS - 1, QUARANTINED: 1}
    said = f"it ran longer than {limit} s"
    assert [one.failure for one in heard if one.failure] == [said]
    assert happened == [f"{said}; the candidate was tried again: {said}"]


def test_a_server_that_answers_wrong_numbers_is_left_alone_until_it_is_right(
    task,  # noqa: F811
    tuned,
    serve,
    tmp_path,
):
    wrong, flag, target = tmp_path / "wrong.so", tmp_path / "flag", resolve("cpu", 1)
    module = tvm.IRModule({"main": planted(task.module, errs)})
    built = tvm.compile(module, target=tvm.target.Target(dict(target.tvm)))
    built.export_library(str(wrong), fcompile=target.linker)
    serve("liar", wrong=(str(wrong), str(flag)))

    _, happened, counts, _ = tuned(
        "liar", after=flag.touch, doubt=threading.Timer(3, flag.unlink).start
    )

    assert counts == {VERIFIED: TRIALS, QUARANTINED: 0}
    said = " ".join(happened)
    assert "does not compute the default schedule as numpy does" in said
    assert "it went on after" in said and said.endswith("again: all was well")


class Cable:
    """What lies between a client at 127.0.0.2 and a server; cut once, after so many bytes."""

    def __init__(self, port, length):
        self._port, self._left = port, length
        self._listening = socket.create_server(("127.0.0.2", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                for ends in [(client, server), (server, client)]:
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source, sink):
        with suppress(OSError):
            while data := source.recv(4096):
                sink.sendall(data)
                self._left -= len(data)
                if -4096 < self._left <= 0:
                    self._left = -4096
                    break
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def test_an_upload_that_is_cut_is_repeated(tuned, serve):
    port = free_port()
    cable = Cable(port, 100_000)
    serve("cut", port, address="127.0.0.2")

    _, happened, counts, _ = tuned("cut")

    assert cable._left < 0
    assert counts == {VERIFIED: TRIALS, QUARANTINED: 0}
    assert happened, "it was not cut"


def test_two_devices_share_a_search_and_one_of_them_ends_it(tuned, serve):
    (_, first), _ = serve("twin", slow=1), serve("twin", slow=1, count=2)

    _, happened, counts, at_once = tuned("twin", after=lambda: end(first), count=2, trials=6)

    assert at_once == 2
    assert counts == {VERIFIED: 6, QUARANTINED: 0}
    assert all("failed or went away" in text for text in happened)
