"""How a kernel is written down: TVM's builder, which takes plain Python in between."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from .._tvm import IRBuilder, T


@contextmanager
def tensor_function() -> Iterator[IRBuilder]:
    """A PrimFunc under construction; `.get()` returns it afterwards.

    Its arguments do not overlap (without `noalias` a kernel is four times slower), and TVM's
    fusion leaves it alone.
    """
    with IRBuilder() as builder, T.prim_func(s_tir=True):
        T.func_name("main")
        T.func_attr({"tirx.noalias": True, "op_pattern": 8})
        yield builder


def tensor(name: str, *shape: int, dtype: str = "float32"):
    """The next argument."""
    return T.arg(name, T.buffer(shape, dtype))


def store(buffer, place: Sequence, value) -> None:
    """buffer[place] = value"""
    T.buffer_store(buffer, value, list(place))


def where(is_needed: object, condition) -> AbstractContextManager:
    """Stores in here happen where the condition holds, or everywhere if none is needed."""
    stack = ExitStack()
    if is_needed:
        stack.enter_context(T.If(condition))
        stack.enter_context(T.Then())
    return stack
