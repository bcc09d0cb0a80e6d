"""A net as plain calls: its kernels in order, and where in memory each of their arrays lies."""

from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from .._tvm import relax, tvm
from ..errors import ModelError
from ..frontends.imported import Imported
from .artifact import ALIGNMENT


@dataclass(frozen=True)
class Array:
    """An array of a run; several may share their memory, one after the other."""

    weight: str | None
    """The weight that it is; None: it lies in the net's own memory."""
    offset: int
    """Bytes."""
    shape: tuple[int, ...]
    dtype: str

    @property
    def bytes(self) -> int:
        return prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Calls:
    """What a run does. Inputs, outputs and arguments are places in `arrays`."""

    arrays: tuple[Array, ...]
    calls: tuple[tuple[str, tuple[int, ...]], ...]
    """(kernel, arguments)."""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    memory: int
    """Bytes of all that is no weight."""
    weights: dict[str, np.ndarray] = field(hash=False)
    """The constants of the graph too."""
    kernels: tvm.IRModule


def plain_calls(program: Imported) -> Calls:
    """TVM plans the memory; what is left are allocations, calls and other views of an array."""
    passes = relax.transform
    module = tvm.ir.transform.Sequential(
        [
            passes.ToNonDataflow(),
            passes.RemovePurityChecking(),
            passes.CallTIRRewrite(),
            passes.StaticPlanBlockMemory(),
            passes.AttachGlobalSymbol(),
        ]
    )(program.module)
    reader = _Reader(program)
    main = module["main"]
    inputs = len(program.inputs)
    for var, (_, shape, dtype) in zip(main.params, program.inputs):
        reader.known[var] = reader.new(shape, dtype)
    for var, name in zip(main.params[inputs:], program.parameters, strict=True):
        reader.known[var] = reader.weight(name, program.arrays[name])
    for block in main.body.blocks:
        for binding in block.bindings:
            reader.known[binding.var] = reader.value(binding.value)
    result = reader.value(main.body.body)
    return Calls(
        tuple(reader.arrays),
        tuple(reader.calls),
        tuple(reader.known[var] for var in main.params[:inputs]),
        result if isinstance(result, tuple) else (result,),
        reader.memory,
        reader.weights,
        tvm.IRModule(
            {var: f for var, f in module.functions.items() if isinstance(f, tvm.tirx.PrimFunc)}
        ),
    )


class _Reader:
    """Follows main: a value is an array's place, an offset in memory, or a tuple of these."""

    def __init__(self, program: Imported):
        self._source = program.source
        self.known: dict[relax.Var, int | tuple] = {}
        self.arrays: list[Array] = []
        self.calls: list[tuple[str, tuple[int, ...]]] = []
        self.weights: dict[str, np.ndarray] = {}
        self.memory = 0

    def value(self, value) -> int | tuple:
        if isinstance(value, relax.Var):
            return self.known[value]
        if isinstance(value, relax.Tuple):
            return tuple(self.value(one) for one in value.fields)
        if isinstance(value, relax.TupleGetItem):
            return self.value(value.tuple_value)[value.index]
        if isinstance(value, tvm.ir.GenericConst):
            return self.weight(f"constant{len(self.weights)}", value.value.numpy())
        if isinstance(value, relax.Call):
            return self._call(value)
        raise self._refused(type(value).__name__)

    def new(self, shape, dtype: str, offset: int | None = None) -> int:
        """An array at an offset, or in memory of its own."""
        array = Array(None, 0, tuple(map(int, shape)), str(dtype))
        place = self._reserve(array.bytes) if offset is None else offset
        self.arrays.append(replace(array, offset=place))
        return len(self.arrays) - 1

    def weight(self, name: str, array: np.ndarray) -> int:
        self.weights[name] = array
        self.arrays.append(Array(name, 0, array.shape, str(array.dtype)))
        return len(self.arrays) - 1

    def _call(self, call: relax.Call) -> int | tuple:
        if isinstance(call.op, tvm.ir.GlobalVar):
            self.calls.append((call.op.name_hint, tuple(map(self.value, call.args))))
            return ()
        name = str(call.op.name) if isinstance(call.op, tvm.ir.Op) else type(call.op).__name__
        if name == "relax.memory.alloc_storage":
            return self._reserve(int(call.args[0].values[0]))
        if name == "relax.memory.alloc_tensor":
            storage, offset, shape, dtype, *_ = call.args
            return self.new(shape.values, dtype.value, self.known[storage] + int(offset.value))
        if name == "relax.builtin.alloc_tensor":
            return self.new(call.args[0].values, call.args[1].value)
        if name == "relax.reshape":
            place = self.value(call.args[0])
            self.arrays.append(replace(self.arrays[place], shape=_shape(call)))
            return len(self.arrays) - 1
        raise self._refused(name)

    def _reserve(self, size: int) -> int:
        start = self.memory
        self.memory += -(-size // ALIGNMENT) * ALIGNMENT
        return start

    def _refused(self, what: str) -> ModelError:
        return ModelError(
            f"{self._source}: {what} needs TVM's virtual machine, which is not in a bundle\n"
            f"  compile it to an artifact instead: sparsetvm compile"
        )


def _shape(call: relax.Call) -> tuple[int, ...]:
    return tuple(map(int, call.ty.shape))
