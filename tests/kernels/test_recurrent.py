"""A recurrence's kernel gives what the reference says, whatever its cell, sizes and structure."""

from dataclasses import replace

import numpy as np
import pytest

from sparsetvm._tvm import T, relax, tvm
from sparsetvm.frontends.imported import Imported
from sparsetvm.frontends.recurrent import CellWeights, emit_sequence
from sparsetvm.ir import reference
from sparsetvm.ir.layer import GATES, STATES
from sparsetvm.kernels import sigmoid
from sparsetvm.kernels.builder import store, tensor, tensor_function
from sparsetvm.passes.form import forms_of
from sparsetvm.passes.mark import layers_of
from sparsetvm.passes.pipeline import to_code, to_layers
from sparsetvm.sparsity import BCR, NM, Block, Dense, PatternConnectivity, Plan
from sparsetvm.targets import resolve
from tests.examples import pruned_weight

TOLERANCE = 1e-5
"""float32 sums of some dozen products, gates off by 4e-7, at each of a few steps."""

CASES = [
    # cell, steps, batch, inputs, hidden, reverse
    ("gru", 5, 3, 6, 7, False),
    ("lstm", 5, 3, 6, 7, True),
    ("gru", 4, 1, 9, 80, True),
    ("lstm", 3, 2, 20, 48, False),
    ("lstm", 1, 1, 3, 33, False),
    ("gru", 2, 19, 5, 64, False),
]
STRUCTURES = [
    Dense(),
    BCR(rows=16, columns=8, row_rate=2, column_rate=2, group=16),
    BCR(rows=8, columns=8, row_rate=1, column_rate=4, group=4),
    Block(filters=4, columns=1, rate=3.0),
    NM(2, 4),
    PatternConnectivity(group=8),
]


def run(cases, structure, target, sparse=True):
    """(layer, what its kernel gave, the truth) for each case, all in one net."""
    rng, builder = np.random.default_rng(0), relax.BlockBuilder()
    data, arrays, inputs, weights, results = {}, {}, [], [], []

    def variable(table, name, array, group):
        table[name] = array.astype(np.float32)
        group.append(relax.Var(name, relax.TensorType(array.shape, "float32")))
        return group[-1]

    with builder.function("main"):
        with builder.dataflow():
            for i, (cell, steps, batch, features, hidden, reverse) in enumerate(cases):
                rows = GATES[cell] * hidden
                x = rng.standard_normal((steps, batch, features))
                x = variable(data, f"x{i}", x, inputs)
                state = [
                    variable(data, f"{s}{i}", rng.standard_normal((batch, hidden)), inputs)
                    for s in ("h", "c")[: STATES[cell]]
                ]
                whole = CellWeights(
                    variable(arrays, f"w{i}", rng.standard_normal((rows, features)) / 4, weights),
                    variable(
                        arrays, f"r{i}", pruned_weight(structure, (rows, hidden), rng), weights
                    ),
                    variable(arrays, f"b{i}", rng.standard_normal(rows), weights),
                    variable(arrays, f"c{i}.b", rng.standard_normal(rows), weights),
                )
                results += emit_sequence(builder, cell, x, state, whole, reverse)
            result = builder.emit_output(relax.Tuple(results))
        builder.emit_func_output(result, inputs + weights)
    module = builder.get()
    main = module["main"].with_attr("num_input", len(inputs))
    module.update_func(module.get_global_var("main"), main)
    specs = tuple((name, x.shape, "float32") for name, x in data.items())
    program = to_layers(Imported(module, arrays, tuple(arrays), specs, "cases"))
    layers, dense = layers_of(program, Plan(default=structure))
    assert not dense
    forms = {layer.name: forms_of(layer)[0 if sparse else -1] for layer in layers}
    code = to_code(program, layers, target, forms, trace_of=lambda function: None)
    executable = tvm.compile(code.module, target=tvm.target.Target(dict(target.tvm)))
    machine = relax.VirtualMachine(executable, tvm.cpu())
    arguments = [*data.values(), *(code.arrays[name] for name in code.parameters)]
    found = iter(machine["main"](*(tvm.runtime.tensor(array) for array in arguments)))
    for i, layer in enumerate(layer for layer in layers if layer.is_recurrent):
        projected = data[f"x{i}"] @ arrays[f"w{i}"].T + arrays[f"b{i}"]
        state = tuple(data[f"{s}{i}"] for s in ("h", "c")[: STATES[layer.kind]])
        truth = reference.run_recurrent(layer, projected, arrays[f"r{i}"], arrays[f"c{i}.b"], state)
        yield layer, [next(found).numpy() for _ in truth], truth


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_a_recurrence_and_its_last_state_equal_the_reference(structure):
    for layer, found, truth in run(CASES, structure, resolve("cpu", 1)):
        for got, wanted in zip(found, truth, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE, err_msg=str(layer))


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_that_wait_for_each_other_at_every_step_give_the_same(threads):
    one = run(CASES, STRUCTURES[1], resolve("cpu", 1))
    many = run(CASES, STRUCTURES[1], resolve("cpu", threads))
    for (_, a, _), (_, b, _) in zip(one, many, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("lanes, registers", [(4, 16), (8, 16)])
def test_narrower_vectors_compute_the_same(lanes, registers):
    target = replace(resolve("cpu", 1), lanes=lanes, registers=registers)
    for _, found, truth in run(CASES, STRUCTURES[1], target):
        np.testing.assert_allclose(found[0], truth[0], rtol=0, atol=TOLERANCE)


def test_a_sparse_layer_may_run_with_its_zeros_left_in():
    for _, found, truth in run(CASES[2:4], STRUCTURES[1], resolve("cpu", 1), sparse=False):
        np.testing.assert_allclose(found[0], truth[0], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("lanes", [1, 16])
@pytest.mark.parametrize(
    "function, truth, most",
    [
        (sigmoid.sigmoid, lambda x: np.tanh(x / 2) / 2 + 0.5, 2e-7),
        (sigmoid.tanh, np.tanh, 4e-7),
    ],
)
def test_gates_are_as_accurate_as_float32_and_end_where_they_should(function, truth, most, lanes):
    with tensor_function() as kernel:
        x, y = tensor("x", 16384), tensor("y", 16384)
        with T.sblock("all"), T.serial(0, 16384 // lanes) as i:
            place = i * lanes if lanes == 1 else tvm.tirx.Ramp(i * lanes, 1, lanes)
            store(y, [place], function(x[place]))
    numbers = np.linspace(-30, 30, 16384, dtype=np.float32)
    numbers[:6] = [np.inf, -np.inf, 1e30, -1e30, 0, np.nan]
    found = tvm.runtime.tensor(np.zeros_like(numbers))
    tvm.compile(kernel.get(), "llvm")(tvm.runtime.tensor(numbers), found)
    found, wanted = found.numpy(), truth(numbers.astype(float))
    assert np.isnan(found[5])
    np.testing.assert_allclose(np.delete(found, 5), np.delete(wanted, 5), rtol=0, atol=most)
