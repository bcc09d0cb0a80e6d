"""Main's one dataflow block: read as a table, and written anew binding by binding."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from .._tvm import relax, tvm


@dataclass(frozen=True)
class Block:
    """Which variable is bound to what, in order, and who reads it.

    inputs, weights   main's parameters; its attribute num_input says how many are inputs
    bindings          variable -> expression over variables and constants
    result            what main returns
    """

    inputs: tuple[relax.Var, ...]
    weights: tuple[relax.Var, ...]
    bindings: dict[relax.Var, relax.Expr]
    result: relax.Expr

    @classmethod
    def of(cls, module: tvm.IRModule) -> "Block":
        main = module["main"]
        count = int(main.attrs["num_input"])
        bindings = {b.var: b.value for block in main.body.blocks for b in block.bindings}
        return cls(tuple(main.params[:count]), tuple(main.params[count:]), bindings, main.body.body)

    @cached_property
    def order(self) -> tuple[relax.Var, ...]:
        """The bound variables in order."""
        return tuple(self.bindings)

    @cached_property
    def place(self) -> dict[relax.Var, int]:
        """Where each bound variable stands in that order."""
        return {var: i for i, var in enumerate(self.order)}

    @cached_property
    def is_weight(self) -> Callable[[relax.Expr], bool]:
        """Whether a variable is one of `weights`; by a set, for comparing variables is slow."""
        return frozenset(self.weights).__contains__

    @cached_property
    def readers(self) -> dict[relax.Var, list[relax.Var | None]]:
        """Once for each reading: the variable bound to what reads it; None for main's result."""
        readers: dict[relax.Var, list[relax.Var | None]] = {}
        for reader, expr in [*self.bindings.items(), (None, self.result)]:
            for var in variables(expr):
                readers.setdefault(var, []).append(reader)
        return readers

    def sole_reader(self, var: relax.Var) -> relax.Var | None:
        """The variable whose expression reads `var`, if no other does and it does so once."""
        readers = self.readers.get(var, [])
        return readers[0] if len(readers) == 1 else None


def variables(expr: relax.Expr) -> list[relax.Var]:
    """The variables that an expression reads, in order, each as often as it is read."""
    if isinstance(expr, relax.Var):
        return [expr]
    if isinstance(expr, relax.TupleGetItem):
        return variables(expr.tuple_value)
    parts = expr.fields if isinstance(expr, relax.Tuple) else getattr(expr, "args", ())
    return [var for part in parts for var in variables(part)]


def substitute(expr: relax.Expr, new: dict[relax.Var, relax.Expr]) -> relax.Expr:
    """`expr` with its variables replaced."""
    if isinstance(expr, relax.Var):
        return new.get(expr, expr)
    if isinstance(expr, relax.Tuple):
        return relax.Tuple([substitute(field, new) for field in expr.fields])
    if isinstance(expr, relax.TupleGetItem):
        return relax.TupleGetItem(substitute(expr.tuple_value, new), expr.index)
    if isinstance(expr, relax.Call):
        args = [substitute(arg, new) for arg in expr.args]
        return relax.Call(expr.op, args, expr.attrs, expr.ty_args)
    return expr


class Rewrite:
    """Write main anew. A function sees each binding in order, what it reads already renewed.

    It returns what to bind in its place, a variable to use in its place, or None to leave it out.
    What nothing reads in the end is dropped. Weights are the variables that are bound nowhere.

        rewrite = Rewrite(module)
        module = rewrite(lambda var, expr: expr)

    `replaced` are functions that main will call no more: new ones may take their names.
    """

    def __init__(self, module: tvm.IRModule, replaced: Iterable[tvm.ir.GlobalVar] = ()):
        self.old = Block.of(module)
        self.new: dict[relax.Var, relax.Expr] = {}
        """What stands for each old variable."""
        gone = set(replaced)
        kept = {name: f for name, f in module.functions_items() if name not in gone}
        self._module = relax.BlockBuilder(tvm.IRModule(kept, attrs=module.attrs))
        self._main = relax.BlockBuilder()

    def emit(self, expr: relax.Expr) -> relax.Var:
        return self._main.emit(expr)

    def bound(self, var: relax.Expr) -> relax.Expr | None:
        """What a new variable is bound to; None for parameters and constants."""
        return self._main.lookup_binding(var) if isinstance(var, relax.Var) else None

    def add_function(self, function: relax.Function, name: str) -> tvm.ir.GlobalVar:
        return self._module.add_func(function, re.sub(r"\W", "_", name))

    def __call__(
        self, rewrite: Callable[[relax.Var, relax.Expr], relax.Expr | None]
    ) -> tvm.IRModule:
        inputs = list(self.old.inputs)
        with self._main.function("main", inputs, attrs={"num_input": len(inputs)}):
            with self._main.dataflow():
                for var, expr in self.old.bindings.items():
                    expr = rewrite(var, self._main.normalize(substitute(expr, self.new)))
                    if expr is not None:
                        is_leaf = isinstance(expr, relax.Var | tvm.ir.GenericConst)
                        self.new[var] = expr if is_leaf else self.emit(expr)
                result = self._main.emit_output(substitute(self.old.result, self.new))
            self._main.emit_func_output(result)
        main = relax.analysis.remove_all_unused(self._main.get()["main"])
        weights = relax.analysis.free_vars(main)
        main = relax.Function([*inputs, *weights], main.body, main.ret_ty, main.is_pure, main.attrs)
        module = self._module.get()
        module.update_func(module.get_global_var("main"), main)
        module = relax.transform.CanonicalizeBindings()(module)
        return relax.transform.DeadCodeElimination(["main"])(module)
