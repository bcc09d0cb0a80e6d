"""Each pass by its text before and after, and what survives Relay's own passes."""

import numpy as np
import pytest
import tvm
from graphs import build, conv, dense, module_of, relative_error, run
from tvm import relay

import sparsetvm as st
from sparsetvm.errors import ModelError, PlanError, StructureError
from sparsetvm.passes import relay as sparse
from sparsetvm.passes.relay.layer import layer_of_attrs, operator_name
from sparsetvm.passes.relay.mark import marked
from sparsetvm.sparsity import Connectivity, Dense, PatternConnectivity

STRUCTURE = PatternConnectivity(entries=4, patterns=8, connectivity=2, group=4)
PLAN = st.Plan.uniform("pattern+connectivity", entries=4, patterns=8, connectivity=2, group=4)


@pytest.fixture
def weight(rng) -> np.ndarray:
    """[8, 6, 3, 3], with the zeros that STRUCTURE asks for."""
    dense = rng.standard_normal((8, 6, 3, 3)).astype("float32")
    return dense * STRUCTURE.mask(dense)


@pytest.fixture
def x() -> relay.Var:
    return relay.var("x", shape=(1, 6, 5, 7))


def text(module: tvm.IRModule) -> list[str]:
    """The lines of main without types and spans."""
    lines = module["main"].astext(show_meta_data=False).splitlines()
    body = [line.split(" /*")[0].strip() for line in lines if line.startswith("  ")]
    return body


def test_canonicalise_folds_batch_norm_into_named_weights(x, rng):
    w = relay.var("block.conv.weight", shape=(8, 6, 3, 3))
    norm = [relay.var(f"block.bn.{name}", shape=(8,)) for name in ("g", "b", "m", "v")]
    y = relay.nn.conv2d(x, w, padding=(1, 1), kernel_size=(3, 3), channels=8)
    y = relay.nn.relu(relay.nn.batch_norm(y, *norm)[0])
    module = module_of(x, w, *norm, body=y)
    arrays = {v.name_hint: rng.uniform(0.5, 1.5, [int(n) for n in v.type_annotation.shape])
              for v in (w, *norm)}  # fmt: skip
    params = {name: tvm.nd.array(array.astype("float32")) for name, array in arrays.items()}
    after = sparse.Canonicalise(params)(module)
    assert [line.partition("(")[0] for line in text(after)] == [
        "%0 = nn.conv2d", "%1 = add", "nn.relu",
    ]  # fmt: skip
    call = after["main"].body.args[0].args[0]
    assert call.span.source_name.name == "block.conv"
    scale = arrays["block.bn.g"] / np.sqrt(arrays["block.bn.v"] + 1e-5)
    expected = arrays["block.conv.weight"] * scale[:, None, None, None]
    np.testing.assert_allclose(call.args[1].data.numpy(), expected, rtol=1e-5)


def test_mark_gives_a_sparse_layer_a_function_that_bears_its_structure(x, weight):
    before = module_of(x, body=relay.nn.relu(conv(x, weight, "features.3")))
    after = relay.transform.InferType()(sparse.MarkSparsity(PLAN)(before))

    a, w = relay.var("x", shape=(1, 6, 5, 7)), relay.var("w", shape=weight.shape)
    y = relay.nn.conv2d(a, w, padding=(1, 1), kernel_size=(3, 3), channels=8)
    function = relay.Function([a, w], y, relay.TensorType((1, 8, 5, 7))).with_attr(
        {
            "Composite": "sparsetvm.layer",
            "sparsetvm.name": "features.3",
            "sparsetvm.structure": '{"name": "pattern+connectivity", "entries": 4, "patterns": 8, '
            '"connectivity": 2, "group": 4, "block": null, "shapes": null}',
        }
    )
    body = relay.nn.relu(relay.Call(function, [x, relay.const(weight)]))
    tvm.ir.assert_structural_equal(after, module_of(x, body=body))


def test_a_mark_is_read_back_as_the_layers_record(x, weight):
    module = module_of(x, body=conv(x, weight, "features.3"))
    call = relay.transform.InferType()(sparse.MarkSparsity(PLAN)(module))["main"].body
    layer = marked(call).layer
    assert (layer.name, layer.kind, layer.structure) == ("features.3", "conv2d", STRUCTURE)
    assert (layer.kernel, layer.padding) == ((3, 3), ((1, 1), (1, 1)))
    np.testing.assert_array_equal(marked(call).weight, weight)


def test_without_a_plan_the_structure_is_found_in_the_zeros(x, weight):
    after = sparse.MarkSparsity()(module_of(x, body=conv(x, weight)))
    found = marked(relay.transform.InferType()(after)["main"].body).layer.structure
    assert (found.entries, found.connectivity, found.group) == (4, 2, 4)


def test_dense_and_depthwise_layers_stay_as_they_are(x, rng):
    full = rng.standard_normal((6, 6, 3, 3)).astype("float32")
    single = np.zeros((6, 1, 3, 3), "float32")
    y = conv(conv(x, full), single, "depthwise", groups=6)
    module = module_of(x, body=y)
    assert tvm.ir.structural_equal(sparse.MarkSparsity()(module), module)


def test_lower_packs_the_weight_into_one_operator(x, weight):
    module = module_of(x, body=relay.nn.relu(conv(x, weight, "features.3")))
    after = relay.transform.InferType()(sparse.pipeline(PLAN)(module))
    reshape, operator, relu = text(after)
    assert reshape.startswith("%0 = reshape(%x, newshape=[210])")
    assert operator.startswith("%1 = sparsetvm.gather_gemm(%0, meta[relay.Constant][0]")
    assert relu.startswith("nn.relu(%1)")
    call = after["main"].body.args[0]
    packed = STRUCTURE.pack(weight)
    np.testing.assert_array_equal(call.args[1].data.numpy(), packed.values.swapaxes(0, 1))
    assert layer_of_attrs(call.attrs).structure == STRUCTURE


def fuse(module: tvm.IRModule) -> tvm.IRModule:
    return relay.transform.FuseOps(2)(relay.transform.InferType()(module))


def through_json(module: tvm.IRModule) -> tvm.IRModule:
    return tvm.ir.load_json(tvm.ir.save_json(module))


PASSES = {
    "FoldConstant": relay.transform.FoldConstant(),
    "SimplifyExpr": relay.transform.SimplifyExpr(),
    "EliminateCommonSubexpr": relay.transform.EliminateCommonSubexpr(),
    "FuseOps": fuse,
    "JSON": through_json,
}


@pytest.mark.parametrize("change", PASSES.values(), ids=PASSES)
@pytest.mark.parametrize("is_lowered", [False, True], ids=["marked", "lowered"])
def test_annotations_survive(change, is_lowered, x, weight):
    y = relay.nn.relu(relay.add(conv(x, weight), relay.const(np.ones((8, 1, 1), "float32"))))
    module = sparse.MarkSparsity(PLAN)(module_of(x, body=y))
    if is_lowered:
        module = sparse.LowerSparsity()(relay.transform.InferType()(module))
    module = relay.transform.InferType()(change(relay.transform.InferType()(module)))
    found = []

    def visit(expr):
        if operator_name(expr) == "sparsetvm.gather_gemm":
            found.append(layer_of_attrs(expr.attrs).structure)
        elif isinstance(expr, relay.Function) and expr.attrs and "Composite" in expr.attrs:
            found.append(str(expr.attrs["sparsetvm.structure"]))

    relay.analysis.post_order_visit(module["main"], visit)
    (structure,) = found
    assert structure == STRUCTURE if is_lowered else '"connectivity": 2' in structure


def test_bias_residual_and_activation_join_the_operator(x, rng, weight):
    square = rng.standard_normal((6, 6, 3, 3)).astype("float32")
    square *= STRUCTURE.mask(square)
    bias = relay.const(np.ones((6, 1, 1), "float32"))
    y = relay.nn.relu(relay.add(relay.add(conv(x, square), bias), x))
    module = sparse.pipeline(PLAN)(module_of(x, body=y))
    fused = fuse(module)
    text = fused["main"].astext(show_meta_data=False)
    (body,) = [part for part in text.split("fn (") if "gather_gemm" in part]
    assert "add(" in body and "nn.relu(" in body


def test_passes_of_the_user_may_stand_before_and_after(x, rng, weight):
    before, after = [], []

    @relay.transform.function_pass(opt_level=0)
    def first(function, module, context):
        before.append(operator_name(function.body))
        return function

    @relay.transform.function_pass(opt_level=0)
    def last(function, module, context):
        after.append(operator_name(function.body.args[0]))
        return function

    module = module_of(x, body=relay.nn.relu(conv(x, weight)))
    passes = tvm.transform.Sequential([first, sparse.pipeline(PLAN), last])
    data = rng.standard_normal((1, 6, 5, 7)).astype("float32")
    truth = run(build(module), data)
    assert relative_error(run(build(passes(module)), data), truth) < 1e-5
    assert (before, after) == (["nn.relu"], ["sparsetvm.gather_gemm"])


LAYERS = {
    "3x3": ((8, 6, 3, 3), {}),
    "stride 2": ((8, 6, 3, 3), {"strides": (2, 2)}),
    "5x3, dilated, uneven padding": ((9, 6, 5, 3), {"dilation": (1, 2), "padding": (2, 1, 3, 0)}),
    "1x1, stride 2": ((8, 6, 1, 1), {"strides": (2, 2), "padding": (0, 0)}),
}


@pytest.mark.parametrize(("shape", "attrs"), LAYERS.values(), ids=LAYERS)
def test_a_lowered_convolution_gives_what_the_dense_one_gives(shape, attrs, rng):
    x = relay.var("x", shape=(2, 6, 11, 9))
    weight = rng.standard_normal(shape).astype("float32")
    weight *= Connectivity(2, 4).mask(weight)
    module = module_of(x, body=conv(x, weight, **attrs))
    data = rng.standard_normal((2, 6, 11, 9)).astype("float32")
    y = run(build(sparse.pipeline()(module)), data)
    assert relative_error(y, run(build(module), data)) < 1e-5


def test_a_lowered_dense_call_gives_what_the_dense_one_gives(rng):
    x = relay.var("x", shape=(3, 20))
    weight = rng.standard_normal((12, 20)).astype("float32")
    weight *= Connectivity(4, 4).mask(weight)
    module = module_of(x, body=relay.nn.relu(dense(x, weight)))
    data = rng.standard_normal((3, 20)).astype("float32")
    y = run(build(sparse.pipeline()(module)), data)
    assert relative_error(y, run(build(module), data)) < 1e-5


def test_a_layout_that_is_not_ours_is_an_error_with_the_pass_that_helps(rng, weight):
    x = relay.var("x", shape=(1, 5, 7, 6))
    y = conv(x, weight.transpose(2, 3, 1, 0), "stem", kernel_size=(3, 3), channels=8,
             data_layout="NHWC", kernel_layout="HWIO")  # fmt: skip
    plan = st.Plan.uniform("connectivity", connectivity=2)
    with pytest.raises(ModelError, match=r"stem cannot run sparse: its layout is NHWC, HWIO, not"):
        sparse.MarkSparsity(plan)(module_of(x, body=y))


def test_a_dynamic_shape_is_an_error(weight):
    x = relay.var("x", shape=(relay.Any(), 6, 5, 7))
    with pytest.raises(ModelError, match="its shape is dynamic; import the net for inputs"):
        sparse.MarkSparsity(PLAN)(module_of(x, body=conv(x, weight)))


def test_a_depthwise_layer_of_dynamic_shape_stays_as_it_is():
    x = relay.var("x", shape=(relay.Any(), 6, 5, 7))
    module = module_of(x, body=conv(x, np.zeros((6, 1, 3, 3), "float32"), groups=6))
    assert tvm.ir.structural_equal(sparse.MarkSparsity()(module), module)


def test_zeros_that_do_not_follow_the_plan_are_an_error_with_the_layers_name(x, rng):
    full = rng.standard_normal((8, 6, 3, 3)).astype("float32")
    with pytest.raises(StructureError, match=r"features.3: .*\n  prune it first"):
        sparse.MarkSparsity(PLAN)(module_of(x, body=conv(x, full, "features.3")))


def test_a_plan_for_layers_that_are_not_there_is_an_error(x, weight):
    plan = st.Plan.from_dict({"layers": [{"match": "fetures.*", "structure": "dense"}]})
    with pytest.raises(PlanError, match=r"did you mean 'features\.3'"):
        sparse.MarkSparsity(plan)(module_of(x, body=conv(x, weight, "features.3")))


def test_weights_that_are_no_constants_are_an_error(x):
    w = relay.var("conv.weight", shape=(8, 6, 3, 3))
    y = relay.nn.conv2d(x, w, kernel_size=(3, 3), channels=8)
    with pytest.raises(ModelError, match=r"conv: its weight is no constant; give .* Canonicalise"):
        sparse.MarkSparsity(PLAN)(module_of(x, w, body=y))


def test_relax_is_not_to_be_had_here():
    from sparsetvm import _tvm

    with pytest.raises(st.SparseTVMError, match=r"no relax .* in an environment of its own"):
        _tvm.relax  # noqa: B018


def test_dense_is_found_where_there_are_no_zeros(rng):
    from sparsetvm.sparsity.detect import detect

    assert isinstance(detect(rng.standard_normal((4, 4, 3, 3))), Dense)
