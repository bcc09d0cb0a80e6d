"""Devices fail, tuning does not: it waits, tries again, and says once what happened."""

import socket
import sys
import threading
from contextlib import suppress

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
LIMIT = 3.0
"""Seconds for a candidate, which takes 0.1."""


@pytest.fixture
def tuned(task, tracker, tmp_path, monkeypatch):  # noqa: F811
    """tuned("pixel", errs, after=…, doubt=…) tunes there; the second candidate errs. `after` is
    called after the first, `doubt` when one fails and is about to be tried again."""

    def run(key, bad=None, after=None, doubt=None, tracker=tracker):
        doubts = [doubt] if doubt else []

        class Planted(Worker):
            def __init__(self, *arguments):
                self._planted = iter([None, None, bad])  # first what a session begins with
                super().__init__(*arguments, limit=LIMIT)

            def program(self, module):
                bad = next(self._planted, None)
                return super().program(
                    tvm.IRModule({"main": planted(module, bad)}) if bad else module
                )

            def measure(self, program):
                measured = super().measure(program)
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

        devices = happened.append, [Remote(key, tracker)]
        search(task, target, database, TRIALS, CostModel(0), 0, tell, *devices)
        counts = {s: database.store.count(database.place, None, [s]) for s in STATES}
        assert len(heard) == sum(counts.values()) == TRIALS
        return heard, happened, counts

    return run


STATES = (VERIFIED, QUARANTINED)


def test_a_server_that_is_killed_while_it_measures_is_awaited(tuned, serve):
    port, process = serve("killed", slow=1)
    kill = threading.Timer(0.5, end, [process])  # the next candidate takes a second and more

    _, happened, counts = tuned("killed", after=kill.start, doubt=lambda: serve("killed", port))

    assert counts == {VERIFIED: TRIALS, QUARANTINED: 0}
    (text,) = happened
    assert text.startswith("device killed at 127.0.0.1") and text.endswith("again: all was well")


def test_a_tracker_that_is_restarted_is_awaited(tuned, serve, machines):
    port = free_port()
    first = machines.start(tracker=port)
    serve("kept", tracker_port=port)
    restart = threading.Timer(2, machines.start, kwargs={"tracker": port})

    heard, happened, counts = tuned(
        "kept", errs, lambda: end(first), restart.start, f"127.0.0.1:{port}"
    )

    assert counts == {VERIFIED: TRIALS - 1, QUARANTINED: 1}
    assert "is off by" in heard[1].failure
    away, wrong = happened
    assert away.startswith("no tracker answers") and "it went on after" in away
    assert wrong == f"{heard[1].failure}; the candidate was tried again: {heard[1].failure}"


def test_a_kernel_that_hangs_is_set_apart_and_its_device_goes_on(tuned, serve):
    serve("hung")

    heard, happened, counts = tuned("hung", hangs)

    assert counts == {VERIFIED: TRIALS - 1, QUARANTINED: 1}
    said = f"it ran longer than {LIMIT:.0f} s"
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

    _, happened, counts = tuned(
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

    _, happened, counts = tuned("cut")

    assert cable._left < 0
    assert counts == {VERIFIED: TRIALS, QUARANTINED: 0}
    assert happened, "it was not cut"
