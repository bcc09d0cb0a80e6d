"""Which targets there are, and what this machine lacks for each."""

import shlex
from dataclasses import dataclass

from ..errors import TargetError
from .target import resolve, targets


@dataclass(frozen=True)
class Survey:
    """One target."""

    name: str
    what: str
    """In a reader's words."""
    chip: str | None
    """By the compiler's name."""
    linker: str | None
    """The command."""
    missing: str | None
    """Why code for it cannot be made here, and the next step; None: it can."""


def survey() -> tuple[Survey, ...]:
    """Every target, by name."""
    return tuple(_survey(name) for name in targets)


def _survey(name: str) -> Survey:
    what = (targets[name].__doc__ or "").strip().splitlines()[0]
    try:
        target = resolve(name)
    except TargetError as err:
        return Survey(name, what, None, None, str(err))
    return Survey(name, what, target.chip, shlex.join(target.linker.command), target.lacks)
