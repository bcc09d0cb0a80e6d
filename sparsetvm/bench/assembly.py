"""The innermost loops of a net's kernels as LLVM writes them for 64-bit ARM, beside the ideal."""

import re
from dataclasses import dataclass
from math import ceil

import tvm_ffi

from .._tvm import s_tir, tvm
from ..errors import TargetError
from ..ir import LayerIR
from ..passes.form import choose
from ..passes.layer_ir import in_relax
from ..passes.pipeline import program_of, to_code
from ..targets import resolve

_LABEL = re.compile(r"(\.L\w+):")
_JUMP = re.compile(r"\t(?:b|b\.\w+|cbn?z|tbn?z)\t.*?(\.L\w+)")
_INSTRUCTION = re.compile(r"\t[a-z]")
_STORE = re.compile(r"\tst\w+\t(?!.*\[sp\b)")
"""To anywhere but the stack."""


@dataclass(frozen=True)
class InnerLoop:
    """One kernel's; it sums `filters` rows of vectors of positions, a column at a time."""

    kernel: str
    filters: int
    instructions: tuple[str, ...]

    @property
    def multiply_adds(self) -> int:
        """Of four lanes each."""
        return self.count(r"\tfmla\t")

    @property
    def spills(self) -> int:
        """Loads and stores on the stack."""
        return self.count(r"\[sp\b")

    @property
    def ideal(self) -> int:
        """Instructions of a loop that does nothing but what one column needs: its multiply-adds;
        loads of x in pairs of vectors, of four weights at once, of an offset; the offset's
        addition; a count and a jump."""
        vectors = self.multiply_adds // self.filters
        return self.multiply_adds + ceil(vectors / 2) + ceil(self.filters / 4) + 1 + 1 + 2

    def count(self, pattern: str) -> int:
        return sum(bool(re.search(pattern, one)) for one in self.instructions)

    def __str__(self) -> str:
        """As llvm-mca reads it."""
        of = f"{len(self.instructions) / self.ideal:.2f} of the ideal {self.ideal}"
        return "\n".join(
            [
                f"// {self.kernel}: {len(self.instructions)} instructions, {of};"
                f" {self.multiply_adds} multiply-adds, {self.spills} on the stack",
                f"// LLVM-MCA-BEGIN {self.kernel}",
                *self.instructions,
                "// LLVM-MCA-END",
            ]
        )


def inner_loops(ir: LayerIR, target: str) -> tuple[InnerLoop, ...]:
    """Of all convolutions' kernels, run directly, by default schedules, on one thread; where LLVM
    unrolls a loop whole there is none."""
    device = resolve(target, threads=1)
    if device.is_gpu or "neon" not in device.features:
        raise TargetError(
            f"{target} is no 64-bit ARM CPU, and loops are counted in its instructions\n"
            f"  take android-cpu, or android-cpu:cortex-a76"
        )
    ir = in_relax(ir)
    forms = choose(ir.layers, ir.arrays, device, {}, winograd=False)
    module = to_code(program_of(ir), ir.layers, device, forms, lambda function: None).module
    found = (
        InnerLoop(var.name_hint, filters, _innermost(_assembly(function, device)))
        for var, function in module.functions_items()
        if isinstance(function, tvm.tirx.PrimFunc) and (filters := _filters(function))
    )
    return tuple(loop for loop in found if loop.instructions)


def _filters(function: tvm.tirx.PrimFunc) -> int | None:
    """B of a gather-GEMM over positions; None: the function is none."""
    found = []

    def note(block):
        facts = block.annotations.get("sparsity", {})
        if facts.get("kind") == "gather_gemm":
            found.append(int(facts["filters"]))

    tvm_ffi.structural_walk(function.body, (s_tir.SBlock, note))
    return found[0] if found else None


def _assembly(function: tvm.tirx.PrimFunc, device) -> str:
    module = tvm.IRModule({"main": function.with_attr("global_symbol", "main")})
    target = tvm.target.Target(dict(device.tvm))
    return tvm.tirx.build(module, target=target).inspect_source("asm")


def _innermost(assembly: str) -> tuple[str, ...]:
    """The shortest loop that adds up and stores no sums, from a label to a jump back to it; ()
    where none is."""
    lines, labels, loops = assembly.splitlines(), {}, []
    for number, line in enumerate(lines):
        if label := _LABEL.match(line):
            labels[label[1]] = number
        jump = _JUMP.match(line)
        if jump and jump[1] in labels:
            body = lines[labels[jump[1]] : number + 1]
            loops.append(tuple(one for one in body if _INSTRUCTION.match(one)))
    summing = [loop for loop in loops if any("\tfmla\t" in one for one in loop)]
    return min((loop for loop in summing if not any(map(_STORE.match, loop))), key=len, default=())
