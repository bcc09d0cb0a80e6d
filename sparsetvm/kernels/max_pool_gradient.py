"""The gradient of max-pooling by whole windows, one beside the other."""

from math import prod

import numpy as np

from .._tvm import T, tirx
from .builder import store, tensor, tensor_function
from .frame import Flat, Window
from .pixels import at
from .vectors import Vectors


def lie_side_by_side(window: Window, size: tuple[int, int, int]) -> bool:
    """Whether no pixel lies in two windows, and lanes can take several windows of a line."""
    apart = window.kernel == window.stride and prod(window.dilation) == 1
    several = window.kernel[2] in (1, 2, 4) and size[2] >= 2 * window.kernel[2]
    return apart and several and not any(window.before)


def max_pool_gradient(source: Flat, dest: Flat, window: Window, lanes: int):
    """The PrimFunc, fast as it is: of each window, the first pixel of x that is y is told dy, the
    others zero; so are pixels beyond the last whole window.

    x, dx  float32 [source.length]   flat (kernels/frame.py); dx's margins are left as they are
    y, dy  float32 [dest.length]
    """
    planes, lines, pixels = dest.size
    while lanes > pixels:
        lanes //= 2
    vectors, width = Vectors(lanes), window.kernel[2]
    with tensor_function() as function:
        T.func_attr({"tirx.is_scheduled": True})
        x, y = tensor("x", source.length), tensor("y", dest.length)
        dy, dx = tensor("dy", dest.length), tensor("dx", source.length)
        zero = T.Broadcast(T.float32(0), lanes)

        def windows(c, n, d, h, w) -> None:
            """As many as there are lanes, from (d, h, w) on."""
            here = at(dest, c, n, d, h, w)
            largest, left = vectors.load(y, here), vectors.load(dy, here)
            for i, j in np.ndindex(*window.kernel[:2]):
                pixel = (d * window.kernel[0] + int(i), h * window.kernel[1] + int(j), w * width)
                start = T.bind(at(source, c, n, *pixel))
                line, told = [vectors.load(x, start + lanes * k) for k in range(width)], []
                for value in vectors.apart(line):
                    is_largest = value == largest
                    told.append(T.bind(tirx.Select(is_largest, left, zero)))
                    left = T.bind(tirx.Select(is_largest, zero, left))
                for k, vector in enumerate(vectors.together(told)):
                    store(dx, [vectors.at(start + lanes * k)], vector)

        whole = tuple(n * k for n, k in zip(dest.size, window.kernel, strict=True))
        with T.sblock("root"), T.parallel(0, source.channels) as c:
            if whole != source.size:
                with T.serial(0, source.frame.row) as s:
                    store(dx, [source.frame.start(c) + s], T.float32(0))
            with T.grid(dest.frame.batch, planes, lines, -(-pixels // lanes)) as (n, d, h, v):
                windows(c, n, d, h, T.bind(tirx.min(v * lanes, pixels - lanes)))
    return function.get()
