"""Code for 64-bit ARM: what is generated for it can be read here, though it does not run here."""

import re
from math import ceil

import pytest

import sparsetvm as st
from sparsetvm._tvm import tvm
from sparsetvm.bench import nets
from sparsetvm.errors import TargetError
from sparsetvm.kernels.tile import best_block_tile, best_tile
from sparsetvm.passes.form import choose
from sparsetvm.passes.pipeline import program_of, to_code
from sparsetvm.targets import resolve, survey


def test_every_arm_cpu_has_neon_and_a_named_one_what_it_has():
    assert (resolve("android-cpu").lanes, resolve("linux-arm64").lanes) == (4, 4)
    assert resolve("android-cpu:cortex-a76").features >= {"neon", "dotprod"}
    assert resolve("android-cpu:cortex-a76").device == "android-cpu cortex-a76"


def test_an_unknown_cpu_is_refused():
    with pytest.raises(TargetError, match=r"no 64-bit ARM CPU 'haswell'\n.*android-cpu:cortex-a76"):
        resolve("android-cpu:haswell")


def test_the_survey_says_what_is_ready_and_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path))
    found = {one.name: one for one in survey()}
    assert found["cpu"].missing is None and found["cpu"].linker
    assert "ANDROID_NDK_HOME" in found["android-cpu"].missing


@pytest.mark.parametrize("filters", [1, 4, 8])
def test_the_inner_loop_is_multiply_adds_and_loads_and_spills_nothing(filters):
    target = resolve("android-cpu", 1)
    tile = best_tile(filters, 15, target.registers)  # a line of 56 + 1 positions
    if filters == 1:
        tile = best_block_tile(1, 28, 28, target.registers)  # two by two blocks, one in each lane
    loop = min((b for b in _loops(_kernel(filters, target)) if _count("fmla", b)), key=len)
    positions = tile.vectors * tile.lines
    assert _count(r"fmla\tv\d+.4s", loop) == positions * tile.filters >= 16
    assert not _count(r"\[sp", loop)
    loads = ceil(positions / 2) + ceil(tile.filters / 4) + 1  # x in pairs, weights, an offset
    ideal = positions * tile.filters + loads + 3  # the offset's addition, a count, a jump
    assert len(loop) <= 1.3 * ideal


def _kernel(filters: int, target) -> str:
    """The assembly of a 64 -> 64 layer at 56x56, in groups of so many filters."""
    plan = f"pattern8x-b{filters}"
    net = nets.net("conv:64x64x3x56")
    ir = st.export(st.prune(net.module, plan), net.example_inputs, plan)
    forms = choose(ir.layers, ir.arrays, target, {}, winograd=False)
    module = to_code(program_of(ir), ir.layers, target, forms, lambda function: None).module
    (name,) = (v for v in module.get_global_vars() if v.name_hint.startswith("gather_gemm"))
    kernel = tvm.IRModule({"main": module[name].with_attr("global_symbol", "main")})
    return tvm.compile(kernel, tvm.target.Target(dict(target.tvm))).mod.inspect_source("asm")


def _loops(assembly: str) -> list[list[str]]:
    """The instructions of each loop: from a label to a jump back to it."""
    lines, labels, loops = assembly.splitlines(), {}, []
    for number, line in enumerate(lines):
        if label := re.match(r"(\.L\w+):", line):
            labels[label[1]] = number
        jump = re.match(r"\t(?:b|b\.\w+|cbn?z|tbn?z)\t.*?(\.L\w+)", line)
        if jump and jump[1] in labels:
            body = lines[labels[jump[1]] : number + 1]
            loops.append([one for one in body if re.match(r"\t[a-z]", one)])
    return loops


def _count(pattern: str, instructions: list[str]) -> int:
    return sum(bool(re.search(pattern, one)) for one in instructions)
