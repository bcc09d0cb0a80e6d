"""Batch normalisation of flat activations while a net is trained, and its gradient.

A channel is read three times, from the second cache but for the first.
"""

from collections.abc import Callable
from math import prod

from .._tvm import T, tirx
from .builder import store, tensor, tensor_function
from .frame import Flat
from .vectors import Vectors

APART = 4
"""Sums side by side, so that one need not wait for another."""


def batch_norm(flat: Flat, channels: int, eps: float, is_relu: bool, lanes: int):
    """The PrimFunc, fast as it is, over the pixels of each channel of all images,

        y = (x - mean) / sqrt(variance + eps) * scale + shift        then relu, if it follows

    x, y            float32 [flat.length]   flat (kernels/frame.py)
    mask            float32 [flat.frame.row]  1 where a lane is a pixel
    scale, shift    float32 [channels]
    mean, variance  float32 [channels]      written too
    """
    with tensor_function() as function:
        T.func_attr({"tirx.is_scheduled": True})
        x, mask = tensor("x", flat.length), tensor("mask", flat.frame.row)
        scale, shift = tensor("scale", channels), tensor("shift", channels)
        y, means = tensor("y", flat.length), tensor("mean", channels)
        variances = tensor("variance", channels)
        row = _Row(flat, lanes)

        with T.sblock("root"), T.parallel(0, channels) as c:
            mean = T.bind(row.sum(lambda s: row.load(x, c, s)) * row.share)
            far = T.bind(row.spread(mean))

            def square(s):
                distance = T.bind((row.load(x, c, s) - far) * row.vectors.load(mask, s))
                return distance * distance

            variance = T.bind(row.sum(square) * row.share)
            factor = T.bind(scale[c] / tirx.sqrt(variance + T.float32(eps)))
            times, plus = (T.bind(row.spread(v)) for v in (factor, shift[c] - mean * factor))

            def result(s):
                value = row.load(x, c, s) * times + plus
                value = tirx.max(row.zero, value) if is_relu else value
                return value * row.vectors.load(mask, s)

            row.write(y, c, result)
            store(means, [c], mean)
            store(variances, [c], variance)
    return function.get()


def batch_norm_gradient(flat: Flat, channels: int, eps: float, is_relu: bool, lanes: int):
    """The PrimFunc, fast as it is, of the gradients dx, dscale and dshift, given dy.

    mean and variance are what batch_norm has written; dy is zero in the margins.
    """
    with tensor_function() as function:
        T.func_attr({"tirx.is_scheduled": True})
        x, dy = tensor("x", flat.length), tensor("dy", flat.length)
        mask = tensor("mask", flat.frame.row)
        scale, shift = tensor("scale", channels), tensor("shift", channels)
        means, variances = tensor("mean", channels), tensor("variance", channels)
        dx, dscale = tensor("dx", flat.length), tensor("dscale", channels)
        dshift = tensor("dshift", channels)
        row = _Row(flat, lanes)

        with T.sblock("root"), T.parallel(0, channels) as c:
            far = T.bind(row.spread(means[c]))
            inverse = T.bind(T.float32(1) / tirx.sqrt(variances[c] + T.float32(eps)))
            factor = T.bind(scale[c] * inverse)
            slant, plus = (T.bind(row.spread(v)) for v in (factor, shift[c] - means[c] * factor))

            def told(s):
                given = row.load(dy, c, s)
                if not is_relu:
                    return given
                return tirx.Select(row.load(x, c, s) * slant + plus <= row.zero, row.zero, given)

            total = T.bind(row.sum(told))
            moment = T.bind(row.sum(lambda s: told(s) * (row.load(x, c, s) - far)))
            tilt = moment * inverse * inverse * row.share
            level, slope = (T.bind(row.spread(v)) for v in (total * row.share, tilt))

            def gradient(s):
                bent = level + (row.load(x, c, s) - far) * slope
                return (told(s) - bent) * slant * row.vectors.load(mask, s)

            row.write(dx, c, gradient)
            store(dscale, [c], moment * inverse)
            store(dshift, [c], total)
    return function.get()


class _Row:
    """The vectors of one channel: its sums, and what is written there."""

    def __init__(self, flat: Flat, lanes: int):
        self.vectors, self._lanes, self._frame = Vectors(lanes), lanes, flat.frame
        self._count = flat.frame.row // lanes
        self.zero = self.spread(T.float32(0))
        self.share = T.float32(1 / (flat.frame.batch * prod(flat.size)))

    def spread(self, number):
        return T.Broadcast(number, self._lanes)

    def load(self, buffer, c, s):
        return self.vectors.load(buffer, self._frame.start(c) + s)

    def write(self, buffer, c, value: Callable) -> None:
        with T.serial(0, self._count) as v:
            s = v * self._lanes
            store(buffer, [self.vectors.at(self._frame.start(c) + s)], value(s))

    def sum(self, term: Callable):
        """The sum of term(s) over all lanes."""
        lanes = self._lanes
        sums = T.sblock_alloc_buffer((APART * lanes,), scope="local")
        places = [self.vectors.at(i * lanes) for i in range(APART)]
        for place in places:
            store(sums, [place], self.spread(T.float32(0)))
        with T.serial(0, self._count // APART) as v:
            for i, place in enumerate(places):
                store(sums, [place], sums[place] + term((v * APART + i) * lanes))
        for i, place in enumerate(places[: self._count % APART]):
            store(sums, [place], sums[place] + term((self._count // APART * APART + i) * lanes))
        a, b, c, d = (sums[place] for place in places)
        return self.vectors.sums([T.bind((a + b) + (c + d))])
