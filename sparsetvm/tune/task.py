"""What there is to tune: one task for each distinct kernel of a net, with the arrays it is called
with."""

from dataclasses import dataclass
from math import prod

import numpy as np

from .._tvm import relax, tirx, tvm
from ..kernels import reference
from ..kernels.margins import MARGINS, Margins
from ..passes.form import Form
from ..passes.kernel_calls import KernelCall, kernel_calls
from ..passes.lower import LayerKernel, Lowered
from ..passes.schedule import KERNEL

SEED = 0
"""What the activations that a kernel is measured on are drawn from."""


@dataclass(frozen=True)
class Task:
    """One kernel.

    layers     the layers that call it
    form       theirs
    module     it alone and unscheduled, as "main": the workload
    kernel     its shape
    margins    of its output; None: that is plain
    arguments  all but its output: a layer's packed constants, random activations
    outputs    the shape of each of its outputs; the first is checked
    between    bytes that the net touches between two runs of it
    """

    layers: tuple[str, ...]
    form: Form
    module: tvm.IRModule
    kernel: LayerKernel
    margins: Margins | None
    arguments: tuple[np.ndarray, ...]
    outputs: tuple[tuple[int, ...], ...]
    between: int

    @property
    def name(self) -> str:
        more = f" and {len(self.layers) - 1} more" if len(self.layers) > 1 else ""
        return f"{self.layers[0]}{more}, {self.form}"

    @property
    def operations(self) -> int:
        """Multiplications and additions that the kernel must do."""
        return reference.operations(self.kernel, self.arguments)

    def truth(self) -> tuple[np.ndarray, np.ndarray]:
        """(places in the output, the values that belong there) by numpy."""
        return reference.truth(self.kernel, self.arguments)


def tasks_of(program: Lowered) -> tuple[Task, ...]:
    """The kernels of a program that still have to be scheduled."""
    calls: dict[str, list[KernelCall]] = {}
    for call in kernel_calls(program):
        calls.setdefault(call.kernel, []).append(call)
    results = [prod(s) for each in calls.values() for one in each for s in shapes_of(one.call.ty)]
    touched = sum(array.nbytes for array in program.arrays.values()) + 4 * sum(results)
    rng = np.random.default_rng(SEED)
    tasks = []
    for name, (first, *others) in calls.items():
        if name in program.kernels:
            function, arguments = program.module[first.call.args[0]], first.call.args[1]
            task = Task(
                layers=tuple(one.owners[0] for one in (first, *others)),
                form=program.forms[first.owners[0]],
                module=workload(function),
                kernel=program.kernels[name],
                margins=Margins.of(function) if MARGINS in function.attrs else None,
                arguments=tuple(
                    argument_of(a, first.constants, program.arrays, rng) for a in arguments
                ),
                outputs=shapes_of(first.call.ty),
                between=touched,
            )
            tasks.append(task)
    return tuple(tasks)


def workload(function: tirx.PrimFunc) -> tvm.IRModule:
    """An unscheduled kernel as the module that records are kept under."""
    for attr in (KERNEL, MARGINS):
        function = function.without_attr(attr)
    return tvm.IRModule({"main": function.with_attr("global_symbol", "main")})


def argument_of(
    argument: relax.Var,
    names: dict[relax.Var, str],
    arrays: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """A constant as it is; numbers for an activation."""
    if argument in names:
        return arrays[names[argument]]
    (shape,) = shapes_of(argument.ty)
    return rng.standard_normal(shape).astype(np.float32)


def shapes_of(ty: relax.Type) -> tuple[tuple[int, ...], ...]:
    """Of a tensor, or of each in a tuple."""
    tensors = ty.fields if isinstance(ty, relax.TupleType) else [ty]
    return tuple(tuple(int(n) for n in tensor.shape) for tensor in tensors)
