"""What an artifact says of a layer's work is what its kernel does."""

import pytest

import sparsetvm as st
from sparsetvm.bench import nets
from sparsetvm.ir.prune import prune
from sparsetvm.passes.form import Form
from sparsetvm.passes.lower import lower
from sparsetvm.passes.pipeline import program_of, to_code
from sparsetvm.runtime.build import build
from sparsetvm.targets import resolve
from sparsetvm.tune.task import tasks_of

X, Y = 16 * 12 * 12, 24 * 12 * 12


@pytest.fixture(scope="module")
def ir():
    net = nets.net("conv:16x24x3x12")
    return prune(st.export(net.module, net.example_inputs), st.Plan.named("pattern8x-b8"))


def facts_of(ir, form):
    target, forms = resolve("cpu", 1), {"conv": form}
    code = to_code(program_of(ir), ir.layers, target, forms, lambda function: None)
    (facts,) = build(code, ir, target, forms, {}).manifest.layers
    return facts


@pytest.mark.parametrize("form", [Form(True), Form(True, 4), Form(False, 2)], ids=str)
def test_the_work_of_a_layer_is_that_of_its_kernel(ir, form):
    (task,) = tasks_of(lower(program_of(ir), ir.layers, resolve("cpu", 1), {"conv": form}))
    facts = facts_of(ir, form)
    assert facts.form == str(form)
    assert facts.work == task.operations
    packed = sum(array.nbytes for array in task.arguments[1:5])  # values, index, row, bias
    assert facts.traffic == packed + 4 * (X + Y)


def test_a_dense_direct_layer_does_all_operations(ir):
    facts = facts_of(ir, Form(False))
    assert facts.work == facts.operations == 2 * 24 * 16 * 9 * 144
