"""What a schedule asks when it has a choice: the default when compiling, a sample when tuning."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar

from ..targets.target import Target

T = TypeVar("T")


class Pick(ABC):
    """Answers a schedule's choices; `target` says what they are for."""

    target: Target

    @abstractmethod
    def one_of(self, choices: Sequence[T], default: T) -> T:
        """One of `choices`; the default is one of them, so an untuned target still runs."""


class Default(Pick):
    """Always the default: what compile uses where no tuning record is known."""

    def __init__(self, target: Target):
        self.target = target

    def one_of(self, choices, default):
        assert default in choices, f"the default {default!r} is not among {choices!r}"
        return default
