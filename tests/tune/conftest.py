"""One small pruned layer and its task, for all tests of the tuner."""

import pytest

import sparsetvm as st
from sparsetvm.bench import nets
from sparsetvm.ir.prune import prune
from sparsetvm.targets import resolve
from sparsetvm.tune.session import tasks_in


@pytest.fixture(scope="session")
def ir():
    net = nets.net("conv:16x24x3x12")
    return prune(st.export(net.module, net.example_inputs), st.Plan.named("pattern8x-b8"))


@pytest.fixture(scope="session")
def task(ir):
    (task,) = tasks_in(ir, resolve("cpu", 1))
    return task
