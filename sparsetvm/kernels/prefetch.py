"""Fetch a tile block's part of x into the caches before the first group reads it."""

import tvm_ffi

from .._tvm import tirx
from .frame import ALIGN, Frame
from .gather_gemm import PREFETCH

CLOSEST = 3
"""Of LLVM's four degrees of locality."""


def with_prefetch(function, frame: Frame, l2: int):
    """The same gather-GEMM; where a loop is annotated, and its part of x is less than `l2` bytes:

        for block, group: ...
        -->
        for block, group:
            if group == 0: fetch each channel's lines that the block reads, in a row
            ...

    A gather reads a few lines of each channel: too few for the hardware to see what comes next.
    """
    x, values, mask = function.params[0], function.params[1], function.params[5]
    channels = (int(x.shape[0]) - frame.length(0)) // frame.row
    groups, positions = int(values.shape[1]), int(mask.shape[-1])
    reach = frame.pitch[-1] + 1

    def fetch(loop):
        if PREFETCH not in loop.annotations:
            return loop
        wanted, block = int(loop.annotations[PREFETCH]), positions * groups // int(loop.extent)
        lines = -(-(block + 2 * reach) // ALIGN)
        body = loop.body
        if wanted and 4 * channels * ALIGN * lines <= l2:
            number = tirx.floordiv(loop.loop_var, groups)
            start = frame.guard + number * block - reach
            is_first = tirx.floormod(loop.loop_var, groups) == 0
            fetches = tirx.IfThenElse(
                is_first, _fetches(x, start, channels, frame.row, lines), None
            )
            body = tirx.SeqStmt([fetches, body])
        return tirx.For(loop.loop_var, loop.min, loop.extent, loop.kind, body)

    return function.with_body(
        tvm_ffi.structural_map(function.body, (tirx.For, fetch), order="post")
    )


def _fetches(x, start, channels: int, row: int, lines: int):
    channel, line = tirx.Var("channel", "int32"), tirx.Var("line", "int32")
    place = start + channel * row + line * ALIGN
    numbers = [tirx.const(n, "int32") for n in (0, CLOSEST, 1)]  # 0: to read, 1: data
    fetch = tirx.call_llvm_intrin("void", "llvm.prefetch", tirx.address_of(x[place]), *numbers)
    inner = tirx.For(line, 0, lines, tirx.ForKind.SERIAL, tirx.Evaluate(fetch))
    return tirx.For(channel, 0, channels, tirx.ForKind.SERIAL, inner)
