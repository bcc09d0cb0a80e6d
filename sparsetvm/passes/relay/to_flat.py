"""From a plain tensor to a flat activation, pixel by pixel: in words that TVM 0.19 has too."""

from math import prod

from ..._tvm import T, tirx
from ...kernels.builder import store, tensor, tensor_function
from .place import Place


def to_flat(place: Place):
    """The PrimFunc of (x, x_flat): x as one row -> its pixels with margins, phase by phase.

    a b c d e   stride 2, phases 0 and 1   ->   a c e . | b d . .
    """
    x_value, dest = place.x, place.source
    frame, (D, H, W) = dest.frame, dest.size
    N, (PD, PH, PW) = frame.batch, frame.pitch
    with tensor_function() as function:
        x = tensor("x", N * x_value.channels * prod(x_value.size))
        y = tensor("x_flat", dest.length)
        with T.sblock("root"):
            _zeros(y, 0, frame.guard)
            with T.parallel(0, dest.channels) as c:
                start = frame.start(c)
                with T.grid(N, PD, PH) as (n, d, h):
                    line = start + ((n * PD + d) * PH + h) * PW
                    with T.If(tirx.all(d < D, h < H)):
                        with T.Then():
                            with T.serial(0, W) as w:
                                store(y, [line + w], _pixel(place, x, c, n, (d, h, w)))
                            _zeros(y, line + W, PW - W)
                        with T.Else():
                            _zeros(y, line, PW)
                used = N * PD * PH * PW
                _zeros(y, start + used, frame.row - used)
            end = frame.start(dest.channels)
            _zeros(y, end, dest.length - end)
    return function.get()


def _pixel(place: Place, x, row, image, index: tuple):
    """The pixel of the plain image that lies at `index` of a row; 0 where a phase is shorter."""
    phases, channels = place.phases, place.x.channels
    channel, phase = row // len(phases), row % len(phases)
    (D, H, W), stride = place.x.size, place.window.stride
    d, h, w = (
        i * step + _choose(phase, [one[axis] for one in phases])
        for axis, (i, step) in enumerate(zip(index, stride, strict=True))
    )
    value = x[(((image * channels + channel) * D + d) * H + h) * W + w]
    if not place.window.is_strided:
        return value
    return tirx.if_then_else(tirx.all(d < D, h < H, w < W), value, T.float32(0))


def _choose(index, values: list[int]):
    """values[index] for an index that is only known when the kernel runs."""
    result = tirx.const(values[-1], "int32")
    for i, value in enumerate(values[:-1]):
        result = tirx.Select(index == i, tirx.const(value, "int32"), result)
    return result


def _zeros(buffer, start, count: int) -> None:
    if count:
        with T.serial(0, count) as i:
            store(buffer, [start + i], T.float32(0))
