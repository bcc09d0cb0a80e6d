"""The private function that holds one layer: how it is written and what can be read from it."""

from .._tvm import relax, tvm
from .activation import FORMS
from .evaluate import shape_of
from .layer_call import LayerCall, layer_call
from .recurrent_call import RecurrentCall, recurrent_call

LAYER = "sparsetvm.layer"
KIND = "sparsetvm.kind"
EPILOGUE = "sparsetvm.epilogue"


def layer_function(name: str, layer: LayerCall, epilogue: tuple[str, ...] = ()) -> relax.Function:
    """A function of (x, weight, bias?, residual?) that computes `layer` and then its epilogue.

        # sparsetvm.layer = "conv", sparsetvm.kind = "conv2d", sparsetvm.epilogue = ["bias", "relu"]
        lv = R.nn.conv2d(x, weight, ...)
        lv1 = R.reshape(bias, [1, filters, 1, 1])
        lv2 = R.add(lv, lv1)
        gv = R.nn.relu(lv2)

    `epilogue` is in the order of ir.Layer's.
    """
    x, weight = relax.Var("x", layer.data.ty), relax.Var("weight", layer.weight.ty)
    params, bias = [x, weight], None
    if "bias" in epilogue:
        bias = relax.Var("bias", relax.TensorType(shape_of(layer.weight)[:1], "float32"))
        params.append(bias)
    if "add" in epilogue:
        params.append(relax.Var("residual", layer.call.ty))
    builder = relax.BlockBuilder()
    attrs = {LAYER: name, KIND: layer.kind, EPILOGUE: list(epilogue)}
    with builder.function("layer", params, attrs, private=True):
        with builder.dataflow():
            y = layer.compute(builder.emit, x, weight, bias)
            if "add" in epilogue:
                y = builder.emit(relax.op.add(y, params[-1]))
            if epilogue and epilogue[-1] in FORMS:
                y = builder.emit(FORMS[epilogue[-1]](y))
            y = builder.emit_output(y)
        builder.emit_func_output(y)
    return builder.get()["layer"]


def recurrent_function(name: str, layer: RecurrentCall) -> relax.Function:
    """A function of (x, weight, bias?, h, c?) that calls the recurrence's plain loops.

    # sparsetvm.layer = "rnn.weight_hh_l0", sparsetvm.kind = "gru", sparsetvm.epilogue = ["bias"]
    gv = R.call_tir(gru, (x, weight, bias, h), out_ty=...)
    """
    names = ("x", "weight", *(("bias",) if layer.bias is not None else ()), "h", "c")
    params = [relax.Var(n, arg.ty) for n, arg in zip(names, layer.args, strict=False)]
    builder = relax.BlockBuilder()
    epilogue = ["bias"] if layer.bias is not None else []
    attrs = {LAYER: name, KIND: layer.kind, EPILOGUE: epilogue}
    with builder.function("layer", params, attrs, private=True):
        with builder.dataflow():
            args = [layer.call.args[0], relax.Tuple(params)]
            call = relax.Call(layer.call.op, args, layer.call.attrs, layer.call.ty_args)
            result = builder.emit_output(call)
        builder.emit_func_output(result)
    return builder.get()["layer"]


def called_function(module: tvm.IRModule, expr: relax.Expr) -> relax.Function | None:
    """The layer's function that `expr` calls, if it calls one."""
    if isinstance(expr, relax.Call) and isinstance(expr.op, tvm.ir.GlobalVar):
        function = module[expr.op]
        if function.attrs is not None and LAYER in function.attrs:
            return function
    return None


def layer_of(function: relax.Function) -> LayerCall | None:
    """The convolution or linear layer inside a layer's function; None: it is a recurrence."""
    (block,) = function.body.blocks
    bound = {binding.var: binding.value for binding in block.bindings}
    layers = (layer_call(expr, bound.get) for expr in bound.values())
    return next((layer for layer in layers if layer is not None), None)


def recurrent_of(module: tvm.IRModule, function: relax.Function) -> RecurrentCall | None:
    """The recurrence inside a layer's function; None: it is another layer."""
    (block,) = function.body.blocks
    calls = (recurrent_call(module, binding.value) for binding in block.bindings)
    return next((call for call in calls if call is not None), None)


def epilogue_of(function: relax.Function) -> tuple[str, ...]:
    return tuple(str(step) for step in function.attrs[EPILOGUE])
