"""Names looked up in plans, on the command line and by schedules: one small table for each kind
of thing."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from .errors import SparseTVMError

T = TypeVar("T")


class Registry(Generic[T]):
    """A table from a name to the thing that bears it.

    structures = Registry("structure", PlanError)

    @structures.register("nm")
    class NM(Structure): ...

    structures["nm"]          # NM
    structures["mn"]          # PlanError: unknown structure 'mn'; known: block, nm, pattern
    """

    def __init__(self, kind: str, error: type[SparseTVMError]):
        self._kind = kind
        self._error = error
        self._table: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        def add(thing: T) -> T:
            if name in self._table:
                raise ValueError(f"two {self._kind}s are called {name!r}")
            self._table[name] = thing
            return thing

        return add

    def __getitem__(self, name: str) -> T:
        if name not in self._table:
            known = ", ".join(sorted(self._table)) or "none"
            raise self._error(f"unknown {self._kind} {name!r}; known: {known}")
        return self._table[name]

    def __contains__(self, name: object) -> bool:
        return name in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._table))

    def __len__(self) -> int:
        return len(self._table)
