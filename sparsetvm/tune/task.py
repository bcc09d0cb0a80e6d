"""What there is to tune: one task for each distinct kernel of a net, with the arrays it is called
with."""

from dataclasses import dataclass

import numpy as np

from .._tvm import relax, tirx, tvm
from ..frontends.imported import Imported
from ..kernels import reference

SEED = 0
"""What the activations that a kernel is measured on are drawn from."""


@dataclass(frozen=True)
class Task:
    """One kernel.

    layers     the layers that call it
    module     it alone and unscheduled, as "main": the workload
    epilogue   what follows in it, as in ir.Layer
    arguments  all but its output: a layer's packed constants, random activations
    outputs    the length of its output
    """

    layers: tuple[str, ...]
    module: tvm.IRModule
    epilogue: tuple[str, ...]
    arguments: tuple[np.ndarray, ...]
    outputs: int

    @property
    def name(self) -> str:
        more = f" and {len(self.layers) - 1} more" if len(self.layers) > 1 else ""
        return f"{self.layers[0]}{more}"

    @property
    def operations(self) -> int:
        """Multiplications and additions that the kernel must do."""
        values, mask = self.arguments[1], self.arguments[5]
        return 2 * values.size * int(np.count_nonzero(mask))

    def truth(self) -> tuple[np.ndarray, np.ndarray]:
        """(places in the output, the values that belong there) by numpy."""
        return reference.gather_gemm(self.epilogue, *self.arguments)


def tasks_of(program: Imported, layers: dict[str, tuple[str, ...]]) -> tuple[Task, ...]:
    """The gather-GEMMs of a lowered, unscheduled program; `layers` gives each layer's epilogue."""
    main = program.module["main"]
    parameters = main.params[len(program.inputs) :]
    names = dict(zip(parameters, program.parameters, strict=True))
    calls: dict[tvm.ir.GlobalVar, list[relax.Call]] = {}
    for block in main.body.blocks:
        for binding in block.bindings:
            call = binding.value
            if isinstance(call, relax.Call) and call.op == tvm.ir.Op.get("relax.call_tir"):
                calls.setdefault(call.args[0], []).append(call)
    rng = np.random.default_rng(SEED)
    tasks = []
    for kernel, callers in calls.items():
        function = program.module[kernel]
        if "sparsetvm.margins" in function.attrs:
            arguments = tuple(_array(arg, names, program.arrays, rng) for arg in callers[0].args[1])
            owners = tuple(names[call.args[1][1]].rpartition(".")[0] for call in callers)
            outputs = int(callers[0].ty.shape[0])
            tasks.append(Task(owners, workload(function), layers[owners[0]], arguments, outputs))
    return tuple(tasks)


def workload(function: tirx.PrimFunc) -> tvm.IRModule:
    """An unscheduled kernel as the module that records are kept under."""
    function = function.without_attr("sparsetvm.margins").with_attr("global_symbol", "main")
    return tvm.IRModule({"main": function})


def _array(
    argument: relax.Var,
    names: dict[relax.Var, str],
    arrays: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """A constant as it is; numbers for an activation."""
    if argument in names:
        return arrays[names[argument]]
    return rng.standard_normal(int(argument.ty.shape[0])).astype(np.float32)
