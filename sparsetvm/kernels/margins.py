"""What a kernel leaves open around the pixels: zeros, or what the neighbouring block has there."""

from dataclasses import asdict, dataclass

from .._tvm import s_tir, tirx
from .blocks import BlockFrame
from .frame import Frame

MARGINS = "sparsetvm.margins"
"""The attribute of a kernel whose margins are still to be written."""


@dataclass(frozen=True)
class Margins:
    """Where a kernel's output, its last parameter, has margins: `channels` rows of `frame`, of each
    of which it writes `lanes` elements (all pixels, where the frame has blocks)."""

    frame: Frame
    channels: int
    lanes: int

    @classmethod
    def of(cls, function) -> "Margins | None":
        """What `noted_on` has noted; None: it writes its margins itself."""
        if function.attrs is None or MARGINS not in function.attrs:
            return None
        noted = {str(name): _numbers(value) for name, value in function.attrs[MARGINS].items()}
        channels, lanes = noted.pop("channels"), noted.pop("lanes")
        return cls((BlockFrame if "grid" in noted else Frame)(**noted), channels, lanes)

    def noted_on(self, function):
        """`function` with these as an attribute, until it is scheduled."""
        noted = {**asdict(self.frame), "channels": self.channels, "lanes": self.lanes}
        return function.with_attr(MARGINS, noted)

    def written_by(self, function):
        """`function`, the attribute gone, writing its margins too."""
        if MARGINS in function.attrs:
            function = function.without_attr(MARGINS)
        if isinstance(self.frame, BlockFrame):
            return _with_block_margins(function, self.frame, self.channels)
        return _with_zero_margins(
            function, self.frame.guard, self.frame.row, self.channels, self.lanes
        )


def _numbers(value) -> int | tuple[int, ...]:
    return int(value) if not hasattr(value, "__len__") else tuple(int(n) for n in value)


def _with_zero_margins(function, guard: int, row: int, channels: int, lanes: int):
    """Zeros to what lies outside the lanes: both guards, and the end of each row.

        y[row + s] = ...                for s < lanes
        -->
        y[:guard] = 0; y[row + lanes : next row] = 0; y[after the last row :] = 0
        y[row + s] = ...

    Done after scheduling: TensorIR schedules a block only when it is its buffer's one writer.
    """
    y, zero, stores = function.params[-1], tirx.const(0, "float32"), []
    after, length = guard + channels * row, int(y.shape[0])
    for start, end in ((0, guard), (after, length)):
        if end > start:
            stores.append(
                _loop(end - start, lambda i, start=start: tirx.BufferStore(y, zero, [start + i]))
            )
    if row > lanes:
        stores.append(
            _loop(
                channels,
                lambda c: _loop(
                    row - lanes,
                    lambda i: tirx.BufferStore(y, zero, [guard + c * row + lanes + i]),
                ),
            )
        )
    return with_statements(function, lambda body: [*stores, body]) if stores else function


def _with_block_margins(function, frame: BlockFrame, channels: int):
    """Around each block what its neighbours have there, zeros at the image's border.

    y[row + pixel * lanes + lane] = ...                                 for pixels in a block
    -->
    y[row + pixel * lanes + lane] = ...
    y[row + beside * lanes + lane] = y[row + pixel * lanes + neighbour] or 0
    """
    y, zero = function.params[-1], tirx.const(0, "float32")
    (rows, columns), (down, across) = frame.grid, frame.strides[2:]
    ahead = [p - b - m for p, b, m in zip(frame.pitch[1:], frame.block, frame.back)]
    lines, pixels = (_stretches(*axis) for axis in zip(frame.back, frame.block, ahead))

    def margin(c, line, pixel):
        """The vectors of one stretch of lines and one of pixels."""

        def copy(i, j, lane):
            there = [
                (lane // columns + line.block, rows),
                (lane % columns + pixel.block, columns),
            ]
            inside = [test for at, n in there for test in (at >= 0, at < n)]
            place = frame.start(c) + (line.first + i) * down + (pixel.first + j) * across
            source = frame.start(c) + (line.source + i) * down + (pixel.source + j) * across
            neighbour = lane + line.block * columns + pixel.block
            value = tirx.Select(tirx.all(*inside), tirx.BufferLoad(y, [source + neighbour]), zero)
            return tirx.BufferStore(y, value, [place + lane])

        return _loop(
            line.count,
            lambda i: _loop(
                pixel.count,
                lambda j: _loop(
                    frame.lanes, lambda lane: copy(i, j, lane), tirx.ForKind.VECTORIZED
                ),
            ),
        )

    def channel(c):
        margins = [
            margin(c, line, pixel)
            for line in lines
            for pixel in pixels
            if (line.block, pixel.block) != (0, 0)
        ]
        return _in_order(margins)

    if not any((*frame.back, *ahead)):
        return function
    stores = _loop(channels, channel, tirx.ForKind.PARALLEL)
    return with_statements(function, lambda body: [body, stores])


@dataclass(frozen=True)
class _Stretch:
    """`count` neighbouring places along one axis, from `first` on, which lie `block` blocks away
    at `source`."""

    first: int
    count: int
    block: int
    source: int


def _stretches(back: int, block: int, ahead: int) -> list[_Stretch]:
    outside = (*range(-back, 0), *range(block, block + ahead))
    return [
        _Stretch(0, block, 0, 0),
        *(_Stretch(place, 1, place // block, place % block) for place in outside),
    ]


def _in_order(statements: list):
    return tirx.SeqStmt(statements) if len(statements) > 1 else statements[0]


def _loop(extent: int, body, kind=tirx.ForKind.SERIAL):
    i = tirx.Var("i", "int32")
    return tirx.For(i, 0, extent, kind, body(i))


def with_statements(function, statements):
    """`function` with the statements that `statements` makes of its body."""
    root = function.body.block
    block = s_tir.SBlock(
        root.iter_vars,
        root.reads,
        root.writes,
        root.name_hint,
        _in_order(statements(root.body)),
        root.init,
        root.alloc_buffers,
        root.match_buffers,
        root.annotations,
    )
    realize = s_tir.SBlockRealize(function.body.iter_values, function.body.predicate, block)
    return function.with_body(realize)
