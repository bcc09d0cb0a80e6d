"""Kernels run on as many threads as asked, and nobody is pinned to a core who did not ask."""

import json
import os
import subprocess
import sys

import pytest

from sparsetvm.targets.cpu import allowed_cpus

RUN = """
import json, os, sys, threading
from sparsetvm._tvm import tvm
from sparsetvm.runtime.threads import use_threads
count = tvm.get_global_func("runtime.NumThreads")
got = []
for n in map(int, sys.argv[1:]):
    use_threads(n)
    got.append(count())
def other():
    use_threads(1)
    got.append(count())
caller = threading.Thread(target=other); caller.start(); caller.join()
print(json.dumps([got, sorted(os.sched_getaffinity(0))]))
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux tells who may run where")
def test_threads_follow_the_engine_and_stay_free():
    cpus = allowed_cpus()
    asked = [1, len(cpus), 1, 1000]
    # a process of its own: TVM sizes its pool once
    run = subprocess.run(
        [sys.executable, "-c", RUN, *map(str, asked)], capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == [[1, len(cpus), 1, len(cpus), 1], cpus]


APART = """
import json, os, threading
from sparsetvm.runtime.threads import use_threads
known = set(os.listdir("/proc/self/task"))
got = []
def caller():
    for threads, cpus in ((2, [0, 1]), (1, [0, 1]), (1, [1])):
        use_threads(threads, cpus)
        new = sorted(set(os.listdir("/proc/self/task")) - known, key=int)
        got.append([sorted(os.sched_getaffinity(int(task))) for task in new])
thread = threading.Thread(target=caller); thread.start(); thread.join()
print(json.dumps(got))
"""


@pytest.mark.skipif(allowed_cpus()[:2] != [0, 1], reason="needs CPUs 0 and 1")
def test_threads_have_a_core_each_where_they_are_as_many():
    run = subprocess.run([sys.executable, "-c", APART], capture_output=True, text=True, check=True)
    each, one_of_two, one = json.loads(run.stdout)
    assert each == [[0], [1]]  # the caller, and the pool's other thread
    assert one_of_two[0] == [0, 1]
    assert one[0] == [1]


TURNS = """
import json, os, threading
from sparsetvm.runtime.threads import go_along, go_first, go_last, may_go_first
got = [may_go_first(), os.sched_getscheduler(0)]
go_first(); got.append(os.sched_getscheduler(0))
go_along(); got.append(os.sched_getscheduler(0))
def last():
    go_last(); got.append(os.sched_getscheduler(0))
thread = threading.Thread(target=last); thread.start(); thread.join()
got.append(os.sched_getscheduler(0))
print(json.dumps(got))
"""


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="Linux knows who goes first")
def test_who_goes_first_and_last():
    run = subprocess.run([sys.executable, "-c", TURNS], capture_output=True, text=True, check=True)
    may, before, first, along, last, caller = json.loads(run.stdout)
    assert first == (os.SCHED_FIFO if may else os.SCHED_OTHER)
    assert before == along == caller == os.SCHED_OTHER
    assert last == os.SCHED_IDLE
