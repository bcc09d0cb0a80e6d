"""The kernel calls of a lowered program's main, and the layers that they belong to."""

from dataclasses import dataclass

from .._tvm import relax, tvm
from ..frontends.imported import Imported
from .lower import EntryCode


@dataclass(frozen=True)
class KernelCall:
    """One call.

    call         R.call_tir(kernel, arguments)
    kernel       the name of the function that is called
    constants    those of its arguments that are named arrays
    """

    call: relax.Call
    kernel: str
    constants: dict[relax.Var, str]

    @property
    def owners(self) -> tuple[str, ...]:
        """Whose constants they are: features.0 for features.0.values."""
        return tuple(name.rpartition(".")[0] for name in self.constants.values())


def kernel_calls(program: Imported, entry: EntryCode | None = None) -> list[KernelCall]:
    """In the order of a run, of main or of one entry."""
    main, call_tir = program.module["main"], tvm.ir.Op.get("relax.call_tir")
    parameters = program.parameters
    if entry is not None:
        main, parameters = program.module[entry.function], entry.parameters
    names = dict(zip(main.params[int(main.attrs["num_input"]) :], parameters, strict=True))
    calls = [binding.value for block in main.body.blocks for binding in block.bindings]
    return [
        KernelCall(
            call,
            call.args[0].name_hint,
            {arg: names[arg] for arg in call.args[1].fields if arg in names},
        )
        for call in calls
        if isinstance(call, relax.Call) and call.op == call_tir
    ]
