"""relu and its gradient over whole flat activations: zero in, zero out, so margins stay zero."""

from collections.abc import Callable

from .._tvm import T, tirx
from .builder import store, tensor, tensor_function
from .epilogue import activation
from .frame import ALIGN

RUN = 1 << 10
"""Vectors that one thread takes at a time."""


def relu(length: int):
    """The PrimFunc, fast as it is, y = relu(x); all float32 [length], a multiple of ALIGN."""
    return _elementwise(length, ("x",), activation(("relu",)))


def relu_gradient(length: int):
    """The PrimFunc dx = dy where y is not zero; where y is NaN too, as torch does it."""
    zero = T.float32(0)
    return _elementwise(length, ("dy", "y"), lambda dy, y: tirx.Select(y <= zero, zero, dy))


def _elementwise(length: int, names: tuple[str, ...], result: Callable):
    vectors = length // ALIGN
    with tensor_function() as function:
        T.func_attr({"tirx.is_scheduled": True})
        inputs, y = [tensor(name, length) for name in names], tensor("y", length)
        with T.sblock("root"), T.parallel(0, -(-vectors // RUN)) as run:
            first = T.bind(run * RUN)
            with T.serial(0, tirx.min(RUN, vectors - first)) as v, T.vectorized(0, ALIGN) as lane:
                place = (first + v) * ALIGN + lane
                store(y, [place], result(*(x[place] for x in inputs)))
    return function.get()
