"""Zeros where a scheduled kernel does not write: both guards, and the end of each row."""

from .._tvm import s_tir, tirx


def with_zero_margins(function, guard: int, row: int, channels: int, lanes: int):
    """The same PrimFunc, writing zeros to what lies outside the lanes of its output, the last
    parameter.

        y[row + s] = ...                for s < lanes
        -->
        y[:guard] = 0; y[row + lanes : next row] = 0; y[after the last row :] = 0
        y[row + s] = ...

    Done after scheduling: TensorIR schedules a block only when it is its buffer's one writer.
    """
    y, zero = function.params[-1], tirx.const(0, "float32")

    def loop(extent: int, body):
        i = tirx.Var("i", "int32")
        return tirx.For(i, 0, extent, tirx.ForKind.SERIAL, body(i))

    stores = []
    after, length = guard + channels * row, int(y.shape[0])
    for start, end in ((0, guard), (after, length)):
        if end > start:
            stores.append(
                loop(end - start, lambda i, start=start: tirx.BufferStore(y, zero, [start + i]))
            )
    if row > lanes:
        stores.append(
            loop(
                channels,
                lambda c: loop(
                    row - lanes,
                    lambda i: tirx.BufferStore(y, zero, [guard + c * row + lanes + i]),
                ),
            )
        )
    if not stores:
        return function
    root = function.body.block
    block = s_tir.SBlock(
        root.iter_vars,
        root.reads,
        root.writes,
        root.name_hint,
        tirx.SeqStmt([*stores, root.body]),
        root.init,
        root.alloc_buffers,
        root.match_buffers,
        root.annotations,
    )
    realize = s_tir.SBlockRealize(function.body.iter_values, function.body.predicate, block)
    return function.with_body(realize)
