"""Relay's operator sparsetvm.gather_gemm: a sparse layer on its packed weights."""

from functools import partial

from tvm.relay.op import op as registry
from tvm.target import override_native_generic_func
from tvm.topi.tag import INJECTIVE
from tvm.topi.x86 import schedule_injective

from ..._tvm import relay, te, tirx, tvm
from ...kernels.gather_gemm import GatherGemm
from ...targets.cpu import of_llvm
from ...targets.target import Target
from .kernel import by_default, layer_kernel, with_buffers, without_wrappers
from .layer import layer_of_attrs
from .place import Place

NAME = "sparsetvm.gather_gemm"
ARGUMENTS = ("data", "values", "offset", "row", "bias", "mask")
"""data is the plain input as one row; the others are as in kernels/gather_gemm.py."""

CONVERTER = "sparsetvm"
"""PassContext(config={"relay.backend.tir_converter": CONVERTER}) asks for kernels as TensorIR with
blocks, which a tuner schedules; else they come with their default schedule."""

_MARK = "sparsetvm.kernel"


def target_of(target: tvm.target.Target) -> Target:
    """What relay.build compiles for, as our schedules see it."""
    described = {"kind": "llvm", **dict(target.attrs.items())}
    return of_llvm("cpu", described, int(described.get("num-cores", 1)), ("cpu",))


def _type(args: list, attrs: tvm.ir.Attrs) -> relay.TensorType | None:
    if not all(isinstance(arg, relay.TensorType) for arg in args[:-1]):
        return None  # not inferred yet
    return relay.TensorType([int(n) for n in attrs["output_shape"]], "float32")


def _compute(target: Target, attrs: tvm.ir.Attrs, inputs: list, out_type) -> list[te.Tensor]:
    """The kernel, then the plain output, which joins what Relay fuses behind it."""
    layer = layer_of_attrs(attrs)
    place = Place.of(layer)
    blocks, groups, columns, filters = (int(n) for n in inputs[1].shape)
    shape = GatherGemm(
        groups=groups,
        filters=filters,
        blocks=blocks,
        columns=columns,
        lanes=int(inputs[5].shape[1]),
        x_length=place.source.length,
        y_length=place.dest.length,
        epilogue=(),
    )
    kernel = layer_kernel(place, shape, str(layer.structure))
    config = tvm.transform.PassContext.current().config
    if config.get("relay.backend.tir_converter", "default") != CONVERTER:
        kernel = by_default(kernel, shape.kind, target)
    buffers = [
        tirx.decl_buffer(tensor.shape, tensor.dtype, name)
        for name, tensor in zip(ARGUMENTS, inputs, strict=True)
    ]
    result = tirx.decl_buffer([place.dest.length], "float32", "y")
    flat = te.extern(
        [result.shape],
        inputs,
        lambda ins, outs: with_buffers(kernel, [*ins, *outs]),
        name="gather_gemm",
        in_buffers=buffers,
        out_buffers=[result],
        attrs={_MARK: layer.name},
    )
    return [te.compute(out_type.shape, lambda *i: flat[place.output(i)], "to_plain", INJECTIVE)]


@override_native_generic_func("sparsetvm_gather_gemm_strategy")
def _strategy(attrs, inputs, out_type, target):
    strategy = registry.OpStrategy()
    compute = partial(_compute, target_of(target))
    strategy.add_implementation(
        compute, lambda attrs, outs, target: schedule_injective(outs), "gather_gemm.sparsetvm"
    )
    return strategy


@tvm.register_func(f"relay.backend.tir_converter.{CONVERTER}")
def _convert(tensors: list, constants: list) -> tirx.PrimFunc | None:
    """TE as TensorIR; None for what is neither plain loops nor ours, which TE then schedules."""
    plain = tvm.get_global_func("relay.backend.tir_converter.default")(tensors, constants)
    if plain is not None:
        return plain
    convert = tvm.get_global_func("relay.backend.tir_converter.allow_extern")
    function = convert(tensors, constants)
    return None if function is None else without_wrappers(function, _MARK)


def _register() -> None:
    registry.register(NAME, "A sparse layer on its packed weights.")
    operator = registry.get(NAME)
    operator.set_num_inputs(len(ARGUMENTS))
    for argument in ARGUMENTS:
        operator.add_argument(argument, "Tensor", "")
    operator.set_attrs_type_key("DictAttrs")
    operator.add_type_rel("SparseTVMGatherGemm", _type)
    registry.register_pattern(NAME, registry.OpPattern.OUT_ELEMWISE_FUSABLE)
    registry.register_stateful(NAME, False)
    registry.register_strategy(NAME, _strategy)


_register()
