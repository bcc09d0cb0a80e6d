"""What every front end hands over: a Relax module whose weights are named parameters, and those."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._tvm import relax, tvm
from ..errors import ModelError
from ..ir.names import unique_name as unique_name

_TAKE = tvm.ir.Op.get("relax.take")

Names = Callable[[tvm.ir.GenericConst], str | None]


@dataclass(frozen=True)
class Imported:
    """A net in Relax. "main" is one dataflow block; it takes the inputs, then every weight by name.

    module      main(x, features.0.weight, features.0.bias, ...), all shapes static
    arrays      each weight and buffer under its dotted name, as main takes it
    parameters  these names in main's order
    inputs      (name, shape, dtype) of each input, named as in the source
    """

    module: tvm.IRModule
    arrays: dict[str, np.ndarray]
    parameters: tuple[str, ...]
    inputs: tuple[tuple[str, tuple[int, ...], str], ...]
    source: str


def imported(
    module: tvm.IRModule,
    inputs: tuple[str, ...],
    weights: dict[str, np.ndarray],
    names: Names,
    source: str,
) -> Imported:
    """Finish an import: `module` as TVM's importer left it, which takes `inputs`, then `weights`.

    Constants that are still in the graph become parameters too, called what `names` says of them.
    """
    _check_shapes(module["main"], inputs, source)
    module, arrays = _name_weights(module, inputs, weights, names)
    module = relax.transform.CanonicalizeBindings()(module)
    module = relax.transform.DeadCodeElimination(["main"])(module)
    main = module["main"]
    blocks = main.body.blocks
    if len(blocks) > 1 or not all(isinstance(block, relax.DataflowBlock) for block in blocks):
        raise ModelError(
            f"{source}: it branches or asserts at run time; export it with that choice made"
        )
    main, arrays = _drop_unused(main, len(inputs), arrays)
    module.update_func(module.get_global_var("main"), main)
    _check_numbers(arrays, source)
    described = (
        (name, tuple(int(n) for n in var.ty.shape), str(var.ty.dtype))
        for name, var in zip(inputs, main.params[: len(inputs)], strict=True)
    )
    return Imported(module, arrays, tuple(arrays), tuple(described), source)


def first_line(err: Exception) -> str:
    """What somebody else's error says, short enough to stand inside one of ours."""
    return str(err).strip().split("\n")[0][:200] or type(err).__name__


def _check_shapes(main: relax.Function, inputs: tuple[str, ...], source: str) -> None:
    """Every size must be a number: kernels are built for their shapes."""
    bound = [binding.var for block in main.body.blocks for binding in block.bindings]
    variables = [*main.params, *bound]
    names = [*inputs, *(var.name for var in variables[len(inputs) :])]
    for name, var in zip(names, variables, strict=True):
        for ty in var.ty.fields if isinstance(var.ty, relax.TupleType) else [var.ty]:
            if isinstance(ty, relax.TensorType) and not _is_static(ty):
                raise ModelError(
                    f"{source}: {name} has the free shape {ty.shape or '?'}; "
                    "export it with example inputs of one fixed shape"
                )


def _is_static(ty: relax.TensorType) -> bool:
    sizes = ty.shape
    return isinstance(sizes, relax.ShapeExpr) and all(isinstance(n, tvm.tirx.IntImm) for n in sizes)


def _check_numbers(arrays: dict[str, np.ndarray], source: str) -> None:
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and np.isnan(array).any():
            where = tuple(int(i) for i in np.argwhere(np.isnan(array))[0])
            raise ModelError(f"{source}: {name} holds NaN, first at {where}; mend or retrain it")


@relax.expr_functor.mutator
class _Rename(relax.PyExprMutator):
    """Variables get other names, and every constant array of floats becomes a named variable.

    Single numbers and indices stay in the graph: operators want to see them. Indices count from
    the end where they are negative; the importers let them read whatever lies before an array.
    """

    def __init__(self, variables: dict[relax.Var, relax.Var], names: Names, taken: set[str]):
        super().__init__()
        self.variables, self.names, self.taken = variables, names, taken
        self.lifted: dict[tvm.ir.GenericConst, relax.Var] = {}

    def visit_var_(self, var: relax.Var) -> relax.Expr:
        return self.variables[var] if var in self.variables else super().visit_var_(var)

    def visit_call_(self, call: relax.Call) -> relax.Expr:
        call = super().visit_call_(call)
        if call.op == _TAKE and call.attrs.mode == "fast":
            return relax.op.take(*call.args, axis=call.attrs.axis, mode="wrap")
        return call

    def visit_generic_const_(self, const: tvm.ir.GenericConst) -> relax.Expr:
        ty = const.ty
        if "float" not in str(ty.dtype) or np.prod([int(n) for n in ty.shape]) <= 1:
            return const
        if const not in self.lifted:
            name = unique_name(self.names(const) or "constant", self.taken)
            self.taken.add(name)
            self.lifted[const] = relax.Var(name, ty)
        return self.lifted[const]


def _name_weights(
    module: tvm.IRModule, inputs: tuple[str, ...], weights: dict[str, np.ndarray], names: Names
) -> tuple[tvm.IRModule, dict[str, np.ndarray]]:
    main = module["main"]
    arrays: dict[str, np.ndarray] = {}
    taken = set(inputs)  # an input may be called as a weight is
    for name, array in weights.items():
        arrays[name := unique_name(name, taken)] = array
        taken.add(name)
    old = main.params[len(inputs) :]
    renamed = {var: relax.Var(name, var.ty) for var, name in zip(old, arrays, strict=True)}
    rename = _Rename(renamed, names, {*inputs, *arrays})
    body = rename.visit_expr(main.body)
    params = [*main.params[: len(inputs)], *renamed.values(), *rename.lifted.values()]
    main = relax.Function(params, body, main.ret_ty, main.is_pure, main.attrs)
    module = tvm.IRModule({**dict(module.functions_items()), module.get_global_var("main"): main})
    return module, arrays | {v.name: const.value.numpy() for const, v in rename.lifted.items()}


def _drop_unused(
    main: relax.Function, count: int, arrays: dict[str, np.ndarray]
) -> tuple[relax.Function, dict[str, np.ndarray]]:
    """Keep the weights that something reads; main's attribute num_input says where they begin."""
    attrs = tvm.ir.DictAttrs({"global_symbol": "main", "num_input": count})
    inputs = main.params[:count]
    main = relax.Function(inputs, main.body, main.ret_ty, main.is_pure, attrs)
    weights = relax.analysis.free_vars(main)
    main = relax.Function([*inputs, *weights], main.body, main.ret_ty, main.is_pure, attrs)
    # a copy: training the source further must not change what was imported
    return main, {var.name: np.array(arrays[var.name], order="C") for var in weights}
