"""kill -9 at random moments, with two tuners at work on one database: nothing is lost or torn."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import sparsetvm as st
from sparsetvm.bench import nets
from sparsetvm.ir.prune import prune
from sparsetvm.targets import resolve
from sparsetvm.tune.database import place
from sparsetvm.tune.status import status
from sparsetvm.tune.store import STATES, Store

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("SPARSETVM_KILLS", 5))
TRIALS = KILLS
"""Of each kernel: enough that there is work until the last kill."""


class Tuners:
    """Two children of tuner.py; all that they say."""

    def __init__(self, lir, database):
        script = str(Path(__file__).with_name("tuner.py"))
        self.process = subprocess.Popen(
            [sys.executable, script, str(lir), str(database), str(TRIALS)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # workers whose tuner dies as they start say so
            text=True,
        )
        self.said = [self.process.stdout.readline()]

    def start(self, seed):
        """The new child's process id."""
        self.process.stdin.write(f"{seed}\n")
        self.process.stdin.flush()
        return int(self.hear("child").split()[1])

    def hear(self, *words):
        """The next line that begins with one of `words`."""
        while True:
            line = self.process.stdout.readline()
            assert line, "tuner.py ended"
            self.said.append(line)
            if line.startswith(words):
                return line


def records(store, at):
    return {(one.workload.hash, one.digest): one for one in store.records(at, states=STATES)}


def test_kill_9_of_two_tuners_loses_no_candidate_and_the_same_command_goes_on(tmp_path):
    net = nets.net("conv1d_net")
    lir, path = tmp_path / "net.lir", tmp_path / "tuning.db"
    prune(st.export(net.module, net.example_inputs), st.Plan.named("pattern8x-b8")).save(lir)
    tuners, rng = Tuners(lir, path), random.Random(0)
    children = [tuners.start(seed) for seed in (0, 1)]
    store, at, seen = Store(path), place(resolve("cpu", 1).device, 1), {}
    for kill in range(KILLS):
        tuners.hear("known", "done")  # so there is always something to lose
        time.sleep(rng.uniform(0, 0.5))
        os.kill(children.pop(0), signal.SIGKILL)
        seen |= records(store, at)
        children.append(tuners.start(kill + 2))
    for child in children:
        os.kill(child, signal.SIGKILL)

    tuners.start(99)
    tuners.hear("done")
    tuners.process.stdin.close()
    tuners.process.wait()

    found = records(store, at)
    assert len(seen) >= KILLS
    assert seen.keys() <= found.keys()  # none lost
    for key, record in seen.items():  # none torn; a time may be of the other tuner's run
        assert replace(found[key], run_secs=record.run_secs) == record
        assert len(found[key].run_secs) == len(record.run_secs)
    (net,) = status(store)
    known = {task.name: task.trials for task in net.tasks}
    for line in tuners.said:
        if line.startswith("known"):
            _, trials, name = line.strip().split(" ", 2)
            assert known[name] >= int(trials)
    assert net.state == "done"
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
