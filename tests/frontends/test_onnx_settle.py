"""What follows from sizes and given values is settled before Relax sees an ONNX graph."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sparsetvm.errors import ModelError
from sparsetvm.frontends import read
from sparsetvm.frontends.onnx import from_onnx
from tests.passes.machine import run

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize(("rate", "factor"), [(16000, 2.0), (8000, 3.0)])
def test_a_given_number_decides_a_branch_and_is_no_input_any_more(rate, factor):
    program = read(_branching(), (X, np.int64(rate)))
    assert program.inputs == (("x", (2, 3), "float32"),)
    np.testing.assert_allclose(run(program, X), factor * factor * X)


def test_values_may_be_given_by_name():
    program = from_onnx(_branching(), values={"rate": 8000})
    np.testing.assert_allclose(run(program, X), 9 * X)


def test_a_branch_that_nothing_decides_is_said():
    with pytest.raises(ModelError, match=r"branches or asserts at run time; export it with that"):
        from_onnx(_branching())


def test_sizes_are_numbers_where_inputs_are_fixed():
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["rows"]),
        helper.make_node("Cast", ["rows"], ["factor"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x", "factor"], ["y"]),
    ]
    first = numpy_helper.from_array(np.array(0), "first")
    proto = _model(nodes, [first], shape=("n", 3))
    np.testing.assert_allclose(run(from_onnx(proto, [(2, 3)]), X), 2 * X)


def test_the_mode_of_a_pad_comes_through():
    widths = numpy_helper.from_array(np.array([0, 1, 0, 2]), "widths")
    for mode in ("reflect", "edge", "constant"):
        node = helper.make_node("Pad", ["x", "widths"], ["y"], mode=mode)
        program = from_onnx(_model([node], [widths], out=(2, 6)))
        np.testing.assert_array_equal(run(program, X), np.pad(X, ((0, 0), (1, 2)), mode=mode))


def _branching():
    """y = x * a * a, where a = 2 at a rate of 16000, else 3; both branches use the same names."""

    def branch(name, factor):
        a = numpy_helper.from_array(np.float32(factor), "a")
        nodes = [
            helper.make_node("Mul", [name, "a"], ["inner"]),
            helper.make_node("Identity", ["inner"], ["outer"]),
        ]
        outer = helper.make_tensor_value_info("outer", TensorProto.FLOAT, (2, 3))
        return helper.make_graph(nodes, "branch", [], [outer], [a])

    nodes = [helper.make_node("Equal", ["rate", "sixteen"], ["fast"])]
    for i, (before, after) in enumerate((("x", "once"), ("once", "y"))):
        branches = {"then_branch": branch(before, 2), "else_branch": branch(before, 3)}
        nodes.append(helper.make_node("If", ["fast"], [after], name=f"if{i}", **branches))
    rate = helper.make_tensor_value_info("rate", TensorProto.INT64, ())
    return _model(nodes, [numpy_helper.from_array(np.int64(16000), "sixteen")], more=[rate])


def _model(nodes, initializers, shape=(2, 3), out=None, more=()):
    x, y = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
        for n, s in (("x", shape), ("y", out or shape))
    )
    graph = helper.make_graph(nodes, "net", [x, *more], [y], initializers)
    return onnx.helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=10)
