"""The neutral graph as Relax: every operator computes what torch does, and compile takes it."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import sparsetvm as st
from sparsetvm._tvm import relax, tvm
from sparsetvm.frontends.neutral import from_neutral
from sparsetvm.ir import Layer, LayerIR, verify
from sparsetvm.ir.neutral import DIALECT, OPERATORS, Graph, Node
from sparsetvm.sparsity import Connectivity

SHAPE = (1, 4, 5, 6)


def node(op: str, shape: tuple[int, ...] = SHAPE, inputs: tuple[str, ...] = ("x",), **attrs):
    return Node("%0", op, inputs, attrs, shape)


POOL = {"kernel": [2, 3], "stride": [2, 1], "padding": [1, 0, 1, 0], "dilation": [1, 1]}
PADDED = (0, 0, 1, 1)

NODES = {
    "conv": (
        node("conv", (1, 6, 5, 6), ("x", "w"), stride=[1, 1], padding=[1] * 4, dilation=[1, 1],
             groups=1),
        lambda x, w, y: functional.conv2d(x, w, padding=1),
    ),
    "max_pool": (
        node("max_pool", (1, 4, 3, 4), **POOL, ceil=False),
        lambda x, w, y: functional.max_pool2d(
            functional.pad(x, PADDED, value=-torch.inf), (2, 3), (2, 1)
        ),
    ),
    "avg_pool": (
        node("avg_pool", (1, 4, 3, 4), **POOL, ceil=False, count_padding=True),
        lambda x, w, y: functional.avg_pool2d(functional.pad(x, PADDED), (2, 3), (2, 1)),
    ),
    "adaptive_avg_pool": (
        node("adaptive_avg_pool", (1, 4, 1, 1), size=[1, 1]),
        lambda x, w, y: x.mean((2, 3), keepdim=True),
    ),
    "mean": (node("mean", (1, 4), axes=[2, 3], keep=False), lambda x, w, y: x.mean((2, 3))),
    "clip": (node("clip", low=0.0, high=0.5), lambda x, w, y: x.clip(0, 0.5)),
    "softmax": (node("softmax", axis=1), lambda x, w, y: x.softmax(1)),
    "concat": (
        node("concat", (1, 8, 5, 6), ("x", "y"), axis=1),
        lambda x, w, y: torch.cat((x, y), 1),
    ),
    "pad": (
        node("pad", (1, 4, 5, 9), before=[0, 0, 0, 1], after=[0, 0, 0, 2], value=0.5),
        lambda x, w, y: functional.pad(x, (1, 2), value=0.5),
    ),
    "reshape": (node("reshape", (4, 30)), lambda x, w, y: x.reshape(4, 30)),
    "transpose": (
        node("transpose", (1, 5, 6, 4), axes=[0, 2, 3, 1]),
        lambda x, w, y: x.permute(0, 2, 3, 1),
    ),
    "relu": (node("relu"), lambda x, w, y: x.relu()),
    "negative": (node("negative"), lambda x, w, y: -x),
    **{
        op: (node(op), lambda x, w, y, op=op: getattr(torch, op)(x))
        for op in ("exp", "sigmoid", "tanh")
    },
    "sqrt": (node("sqrt"), lambda x, w, y: x.sqrt()),
    **{
        op: (node(op, inputs=("x", "y")), lambda x, w, y, op=op: getattr(torch, op)(x, y))
        for op in ("add", "subtract", "multiply", "divide", "maximum", "minimum")
    },
}  # fmt: skip


def test_every_operator_has_its_example():
    assert NODES.keys() == OPERATORS.keys() - {"linear"}  # which the layer below is


@pytest.mark.parametrize(("one", "truth"), NODES.values(), ids=NODES)
def test_an_operator_computes_what_torch_does(one, truth, rng):
    x, y = (rng.uniform(0.1, 1, SHAPE).astype("float32") for _ in range(2))
    w = rng.standard_normal((6, 4, 3, 3)).astype("float32")
    inputs = [(name, SHAPE, "float32") for name in ("x", "y")]
    program = from_neutral(Graph((one,), ("%0",)), {"w": w}, inputs, "one")
    vm = relax.VirtualMachine(tvm.compile(program.module, target="llvm"), tvm.cpu())
    args = [tvm.runtime.tensor(array) for array in (x, y, *program.arrays.values())]
    expected = truth(*map(torch.from_numpy, (x, w, y))).numpy()
    np.testing.assert_allclose(vm["main"](*args).numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.fixture
def ir(rng) -> LayerIR:
    """y = relu(x @ fc.weight.T + fc.bias), as Relay's side writes it."""
    weight = rng.standard_normal((12, 20)).astype("float32")
    structure = Connectivity(4, group=4)
    weight *= structure.mask(weight)
    nodes = (
        Node("%0", "linear", ("x", "fc.weight"), {}, (3, 12)),
        Node("%1", "add", ("%0", "fc.bias"), {}, (3, 12)),
        Node("%2", "relu", ("%1",), {}, (3, 12)),
    )
    layer = Layer(
        name="fc", kind="linear", weight="fc.weight", bias=None, input_shape=(3, 20),
        output_shape=(3, 12), kernel=(), stride=(), padding=(), dilation=(), epilogue=(),
        structure=structure, weight_shape=(12, 20), parameters=int(np.count_nonzero(weight)),
    )  # fmt: skip
    return LayerIR(
        layers=(layer,),
        dense_ops=(),
        arrays={"fc.weight": weight, "fc.bias": np.arange(12, dtype="float32")},
        graph=Graph(nodes, ("%2",)).to_json(),
        dialect=DIALECT,
        inputs=(("x", (3, 20), "float32"),),
        outputs=(((3, 12), "float32"),),
        source="a Relay module",
    )


def test_a_neutral_file_is_saved_loaded_compiled_and_run(ir, rng, tmp_path):
    verify(ir)
    ir.save(tmp_path / "net.lir")
    engine = st.load(st.compile(st.load_ir(tmp_path / "net.lir"), threads=1))
    x = rng.standard_normal((3, 20)).astype("float32")
    expected = np.maximum(x @ ir.arrays["fc.weight"].T + ir.arrays["fc.bias"], 0)
    np.testing.assert_allclose(engine(x), expected, rtol=1e-5, atol=1e-5)


def test_its_layers_keep_their_structure_and_gain_their_epilogue(ir):
    from sparsetvm.passes.layer_ir import in_relax

    (layer,) = in_relax(ir).layers
    assert (layer.name, layer.structure, layer.epilogue) == (
        "fc", ir.layers[0].structure, ("bias", "relu"),
    )  # fmt: skip
