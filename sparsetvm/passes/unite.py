"""Several nets become one graph: inputs in common are read once, and equal layers run once."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import tvm_ffi

from .._tvm import relax, tvm
from ..errors import ModelError
from ..ir.layer import DenseOp, Layer, LayerIR
from .block import Block, substitute
from .layer_function import LAYER
from .mark import layer_of_call

Shared = bool | Mapping[str, Iterable[str]]
"""Whether inputs of one name, shape and dtype are one; or by a name each, those that are: as
net/input."""


@dataclass(frozen=True)
class Entry:
    """One of the nets: where its inputs and outputs stand among those of all."""

    name: str
    inputs: tuple[int, ...]
    input_names: tuple[str, ...]
    """What the net itself calls them."""
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class United:
    """The graph of all nets, and which part of it each is.

    once   each layer that runs for several nets -> what the others call it
    """

    ir: LayerIR
    entries: tuple[Entry, ...]
    once: dict[str, tuple[str, ...]]


def unite(nets: Mapping[str, LayerIR], shared: Shared = True) -> United:
    """One net of all; what is equal, from the inputs on, is computed for the first that has it.

        def a(x): y = conv(x, conv.weight);  return head(y, head.weight)
        def b(x): y = conv(x, conv.weight);  return head(y, head.weight)      # another head
        -->
        def main(x): y = a/conv(x, a/conv.weight)
                     return a/head(y, a/head.weight), b/head(y, b/head.weight)

    Values are equal if operands, attributes and, of a layer, its structure are; weights are by
    their numbers. All graphs are Relax.
    """
    inputs = _inputs(nets, shared)
    union = _Union(inputs)
    entries = union.write(nets)
    ir = LayerIR(
        layers=tuple(union.layers),
        dense_ops=tuple(
            DenseOp(f"{name}/{op.name}", op.op, op.reason)
            for name, ir in nets.items()
            for op in ir.dense_ops
        ),
        graph=tvm.ir.save_json(union.module()),
        arrays=union.arrays,
        inputs=tuple((one.name, one.shape, one.dtype) for one in inputs),
        outputs=tuple(output for ir in nets.values() for output in ir.outputs),
        source=", ".join(f"{name}: {ir.source}" for name, ir in nets.items()),
    )
    once = {name: tuple(others) for name, others in union.once.items() if others}
    return United(ir, entries, once)


@dataclass(frozen=True)
class _Input:
    """One input of all nets together; `parts` are those of the nets that it stands for."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    parts: tuple[str, ...]


def _inputs(nets: Mapping[str, LayerIR], shared: Shared) -> list[_Input]:
    specs = {
        f"{net}/{name}": (name, tuple(shape), dtype)
        for net, ir in nets.items()
        for name, shape, dtype in ir.inputs
    }
    if isinstance(shared, Mapping):
        groups = {name: tuple(parts) for name, parts in shared.items()}
        for name, parts in groups.items():
            _check_group(name, parts, specs)
        taken = {part for parts in groups.values() for part in parts}
        groups |= {part: (part,) for part in specs if part not in taken}
    elif shared:
        alike: dict[tuple, list[str]] = {}
        for part, spec in specs.items():
            alike.setdefault(spec, []).append(part)
        names = [name for name, *_ in alike]
        groups = {
            name if names.count(name) == 1 else parts[0]: tuple(parts)
            for (name, *_), parts in alike.items()
        }
    else:
        groups = {part: (part,) for part in specs}
    return [_Input(name, *specs[parts[0]][1:], parts) for name, parts in groups.items()]


def _check_group(name: str, parts: tuple[str, ...], specs: Mapping[str, tuple]) -> None:
    wrong = next((part for part in parts if part not in specs), None)
    if wrong is not None or not parts:
        raise ModelError(
            f"shared input {name}: {wrong or 'nothing'} is no input of the nets\n"
            f"  they are {', '.join(specs)}"
        )
    (_, *first), other = specs[parts[0]], parts[0]
    other = next((part for part in parts if list(specs[part][1:]) != first), None)
    if other is not None:
        raise ModelError(
            f"shared input {name}: {parts[0]} is {first[1]} {first[0]}, "
            f"{other} {specs[other][2]} {specs[other][1]}\n  share inputs of one shape and dtype"
        )


class _Union:
    """The graph under construction: each net's bindings in order, each value computed once."""

    def __init__(self, inputs: list[_Input]):
        self.arrays: dict[str, np.ndarray] = {}
        self.layers: list[Layer] = []
        self.once: dict[str, list[str]] = {}
        self._inputs = [
            relax.Var(one.name, relax.TensorType(one.shape, one.dtype)) for one in inputs
        ]
        self._places = {part: i for i, one in enumerate(inputs) for part in one.parts}
        self._main, self._module = relax.BlockBuilder(), relax.BlockBuilder()
        self._results: list[relax.Expr] = []
        self._weights: dict[bytes, relax.Var] = {}
        self._bodies: dict[int, list[tuple[tvm.ir.BaseFunc, tvm.ir.GlobalVar]]] = {}
        self._computed: dict[tuple, list[tuple[relax.Expr, relax.Var]]] = {}
        self._layer_of: dict[relax.Var, str] = {}

    def write(self, nets: Mapping[str, LayerIR]) -> tuple[Entry, ...]:
        with self._main.function("main", self._inputs, attrs={"num_input": len(self._inputs)}):
            with self._main.dataflow():
                entries = tuple(self._add(net, ir) for net, ir in nets.items())
                result = self._main.emit_output(relax.Tuple(self._results))
            self._main.emit_func_output(result)
        return entries

    def module(self) -> tvm.IRModule:
        main = self._main.get()["main"]
        weights = relax.analysis.free_vars(main)
        self.arrays = {var.name: self.arrays[var.name] for var in weights}
        params = [*self._inputs, *weights]
        main = relax.Function(params, main.body, main.ret_ty, main.is_pure, main.attrs)
        module = self._module.get()
        module.update_func(tvm.ir.GlobalVar("main"), main)
        module = relax.transform.CanonicalizeBindings()(module)
        return relax.transform.DeadCodeElimination(["main"])(module)

    def _add(self, net: str, ir: LayerIR) -> Entry:
        module = tvm.ir.load_json(ir.graph)
        block = Block.of(module)
        places = tuple(self._places[f"{net}/{name}"] for name, *_ in ir.inputs)
        new = dict(zip(block.inputs, [self._inputs[place] for place in places], strict=True))
        for var in block.weights:
            new[var] = self._weight(f"{net}/{var.name}", ir.arrays[var.name])
        names = {var.name: new[var].name for var in block.weights}
        layers = {
            layer.name: replace(
                layer,
                name=f"{net}/{layer.name}",
                weight=names[layer.weight],
                bias=None if layer.bias is None else names[layer.bias],
            )
            for layer in ir.layers
        }
        for var, expr in block.bindings.items():
            layer = layers.get(layer_of_call(module, expr))
            new[var] = self._value(substitute(expr, new), module, layer)
        first = len(self._results)
        self._results += _tensors(substitute(block.result, new))
        outputs = tuple(range(first, len(self._results)))
        return Entry(net, places, tuple(name for name, *_ in ir.inputs), outputs)

    def _weight(self, name: str, array: np.ndarray) -> relax.Var:
        """A weight, or the equal one that is there already."""
        digest = sha256(array.tobytes() + f"{array.dtype} {array.shape}".encode()).digest()
        if digest not in self._weights:
            ty = relax.TensorType(array.shape, str(array.dtype))
            self._weights[digest] = relax.Var(name, ty)
            self.arrays[name] = array
        return self._weights[digest]

    def _value(self, expr: relax.Expr, module: tvm.IRModule, layer: Layer | None) -> relax.Expr:
        """The variable that is bound to `expr`, now or before."""
        if not isinstance(expr, relax.Call | relax.Tuple | relax.TupleGetItem):
            return expr
        key = self._with_bodies(expr, module)
        bucket = (tvm_ffi.structural_hash(key), None if layer is None else layer.structure)
        computed = self._computed.setdefault(bucket, [])
        same = next((var for known, var in computed if tvm_ffi.structural_equal(known, key)), None)
        if same is not None:
            if layer is not None:
                self.once.setdefault(self._layer_of[same], []).append(layer.name)
            return same
        if layer is None:
            var = self._main.emit(substitute(key, {}))  # a copy: what is emitted gets its type
        else:
            function = self._add_function(module[expr.op].with_attr(LAYER, layer.name), layer.name)
            var = self._main.emit(relax.Call(function, expr.args))
            self._layer_of[var] = layer.name
            self.layers.append(layer)
        computed.append((key, var))
        return var

    def _with_bodies(self, expr: relax.Expr, module: tvm.IRModule) -> relax.Expr:
        """`expr`, calling the first of the functions that are equal but for their layer's name."""
        if not isinstance(expr, relax.Call):
            return expr
        op, *args = (
            self._body(module[part], part.name_hint) if isinstance(part, tvm.ir.GlobalVar) else part
            for part in (expr.op, *expr.args)
        )
        return relax.Call(op, args, expr.attrs, expr.ty_args)

    def _body(self, function: tvm.ir.BaseFunc, name: str) -> tvm.ir.GlobalVar:
        if function.attrs is not None and LAYER in function.attrs:
            function = function.without_attr(LAYER)
        bodies = self._bodies.setdefault(tvm_ffi.structural_hash(function), [])
        same = next((var for f, var in bodies if tvm_ffi.structural_equal(f, function)), None)
        if same is None:
            same = self._add_function(function, name)
            bodies.append((function, same))
        return same

    def _add_function(self, function: tvm.ir.BaseFunc, name: str) -> tvm.ir.GlobalVar:
        return self._module.add_func(function, re.sub(r"\W", "_", name))


def _tensors(result: relax.Expr) -> list[relax.Expr]:
    """A net's outputs one by one."""
    if isinstance(result, relax.Tuple):
        return list(result.fields)
    if isinstance(result.ty, relax.TupleType):
        return [relax.TupleGetItem(result, i) for i in range(len(result.ty.fields))]
    return [result]
