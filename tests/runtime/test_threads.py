"""Kernels run on as many threads as asked, and nobody is pinned to a core."""

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
