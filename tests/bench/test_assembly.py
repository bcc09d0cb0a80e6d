"""Code for 64-bit ARM can be read here, though it does not run here."""

from pathlib import Path

import pytest

import sparsetvm as st
from sparsetvm.bench import nets
from sparsetvm.bench.assembly import inner_loops
from sparsetvm.errors import TargetError
from sparsetvm.kernels.tile import best_block_tile, best_tile
from sparsetvm.targets import resolve

DOCS = Path(__file__).resolve().parents[2] / "docs/arm.md"


@pytest.fixture(scope="module", params=[1, 4, 8], ids="B={}".format)
def loop(request):
    """Of a 64 -> 64 layer at 56x56."""
    return only_loop("conv:64x64x3x56", f"pattern8x-b{request.param}", "android-cpu")


def test_a_register_tile_is_multiplied_and_added_once(loop):
    registers = resolve("android-cpu").registers
    tile = best_tile(loop.filters, 15, registers)  # a line of 56 + 1 positions
    if loop.filters == 1:
        tile = best_block_tile(1, 28, 28, registers)  # two by two blocks, one in each lane
    assert loop.multiply_adds == tile.filters * tile.vectors * tile.lines >= 16


def test_nothing_is_spilled(loop):
    assert loop.spills == 0


def test_the_loop_is_near_the_ideal(loop):
    assert loop.multiply_adds < loop.ideal <= len(loop.instructions) <= 1.15 * loop.ideal


def test_the_docs_show_the_loop_as_it_is(loop):
    shown = DOCS.read_text()
    assert "\n".join(loop.instructions).expandtabs(8) in shown
    assert f"| {loop.filters} | {loop.multiply_adds} | {len(loop.instructions)} " in shown


@pytest.mark.parametrize(
    ("layer", "plan"),
    [
        ("conv:512x512x3x14", "pattern8x-b8"),  # columns in blocks
        ("conv:256x64x1x28", "block4x1-75"),
        ("conv:64x64x3x28", "dense"),
    ],
)
def test_loops_of_other_layers_are_near_the_ideal_too(layer, plan):
    loop = only_loop(layer, plan, "linux-arm64:cortex-a76")
    assert loop.spills == 0
    assert len(loop.instructions) <= 1.3 * loop.ideal


def test_a_loop_that_llvm_unrolls_whole_is_left_out():
    assert loops("conv:1x16x3x28", "dense", "android-cpu") == ()


def test_loops_are_counted_for_arm_only():
    with pytest.raises(TargetError, match=r"cpu:haswell is no 64-bit ARM CPU.*\n.*android-cpu"):
        only_loop("conv:8x8x3x28", "dense", "cpu:haswell")


def loops(layer, plan, target):
    net = nets.net(layer)
    ir = st.export(st.prune(net.module, plan), net.example_inputs, plan)
    return inner_loops(ir, target)


def only_loop(layer, plan, target):
    (loop,) = loops(layer, plan, target)
    return loop
