"""Fuse epilogues: bias, residual add and activation go into the function of their layer."""

from dataclasses import dataclass, replace

from .._tvm import relax
from ..frontends.imported import Imported
from .activation import find_activation
from .block import Block, Rewrite
from .evaluate import operator_name, shape_of
from .layer_call import LayerCall
from .layer_function import LAYER, called_function, epilogue_of, layer_function, layer_of


def fuse(program: Imported) -> Imported:
    """Draw what follows each marked layer into its function; runs after mark.

        y = conv(x, conv.weight)
        z = R.add(y, R.reshape(conv.bias, [1, filters, 1, 1]))
        u = R.add(z, r)
        v = R.nn.relu(u)
        -->
        v = conv(x, conv.weight, conv.bias, r)        # sparsetvm.epilogue = ["bias", "add", "relu"]

    A value that something else reads too ends the epilogue, and so does a residual that is computed
    after the layer: then the other layer takes the add.
    """
    block = Block.of(program.module)
    layers = {
        var: function
        for var, expr in block.bindings.items()
        if (function := called_function(program.module, expr))
        and layer_of(function)
        and not epilogue_of(function)
    }
    epilogues = {var: _epilogue(block, var, layer_of(function)) for var, function in layers.items()}
    epilogues = {var: epilogue for var, epilogue in epilogues.items() if epilogue.steps}
    rewrite = Rewrite(program.module, replaced=[block.bindings[var].op for var in epilogues])
    drawn_in = {var for epilogue in epilogues.values() for var in epilogue.bindings}

    def draw_in(var: relax.Var, expr: relax.Expr) -> relax.Expr | None:
        if var in drawn_in:
            return None
        if var not in epilogues:
            return expr
        epilogue, name = epilogues[var], str(layers[var].attrs[LAYER])
        function = layer_function(name, layer_of(layers[var]), epilogue.steps)
        operands = [rewrite.new.get(operand, operand) for operand in epilogue.operands]
        call = relax.Call(rewrite.add_function(function, name), [*expr.args, *operands])
        rewrite.new[epilogue.bindings[-1]] = result = rewrite.emit(call)
        return result

    return replace(program, module=rewrite(draw_in))


@dataclass(frozen=True)
class _Epilogue:
    """The steps after a layer, the variables they read besides, and the bindings they stand for."""

    steps: tuple[str, ...] = ()
    operands: tuple[relax.Var, ...] = ()
    bindings: tuple[relax.Var, ...] = ()

    def then(self, step: str, operands: tuple[relax.Var, ...], *bindings: relax.Var) -> "_Epilogue":
        return _Epilogue(
            (*self.steps, step), (*self.operands, *operands), (*self.bindings, *bindings)
        )


def _epilogue(block: Block, result: relax.Var, layer: LayerCall) -> _Epilogue:
    """What follows the marked layer that `result` is bound to, as far as it can run inside it."""
    epilogue, y = _Epilogue(), result
    adding = block.sole_reader(y)
    bias = _bias(block, _other_summand(block, adding, y), layer)
    if bias is not None:
        epilogue, y = epilogue.then("bias", (bias,), adding), adding
    adding = block.sole_reader(y)
    residual = _other_summand(block, adding, y)
    takes_residual = not layer.kind.startswith("depthwise")
    if takes_residual and residual is not None and _is_residual(block, residual, result):
        epilogue, y = epilogue.then("add", (residual,), adding), adding
    activation = find_activation(block, y)
    if activation is not None:
        epilogue = epilogue.then(activation.name, (), *activation.bindings)
    return epilogue


def _other_summand(block: Block, adding: relax.Var | None, y: relax.Var) -> relax.Var | None:
    """r, if `adding` is bound to y + r or r + y."""
    expr = block.bindings.get(adding)
    if operator_name(expr) != "relax.add":
        return None
    (other,) = [arg for arg in expr.args if not arg.same_as(y)]
    return other if isinstance(other, relax.Var) else None


def _bias(block: Block, summand: relax.Var | None, layer: LayerCall) -> relax.Var | None:
    """The weight [filters] that `summand` broadcasts over the layer's result, if it is one."""
    if summand is None or shape_of(summand) != layer.bias_shape:
        return None
    expr = block.bindings.get(summand)
    vector = expr.args[0] if operator_name(expr) == "relax.reshape" else summand
    filters = shape_of(layer.weight)[0]
    return vector if block.is_weight(vector) and shape_of(vector) == (filters,) else None


def _is_residual(block: Block, summand: relax.Var, result: relax.Var) -> bool:
    """An activation of the layer's shape that is there before the layer runs."""
    is_ready = block.place.get(summand, len(block.order)) < block.place[result]
    return (is_ready or summand in block.inputs) and shape_of(summand) == shape_of(result)
