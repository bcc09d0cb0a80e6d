"""Schedules: how a rule is declared, found for a target, and loaded from a user's own file.

The rules themselves lie in the checkout's top-level folder schedules/, one folder a target, and are
imported as sparsetvm.schedules.<target>; a wheel carries those folders right here.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FileError, TargetError

if TYPE_CHECKING:
    from tvm.s_tir import Schedule

    from ..targets.target import Target
    from .pick import Pick

_CHECKOUT = Path(__file__).resolve().parents[2]
if (_CHECKOUT / "pyproject.toml").is_file():
    __path__.append(str(_CHECKOUT / "schedules"))


@dataclass(frozen=True)
class Rule:
    """How one kernel becomes fast on one target: rule(sch, pick) schedules `sch` in place."""

    kernel: str
    target: str
    """The folder of schedules/ that it belongs to."""
    apply: Callable[["Schedule", "Pick"], None]

    def __call__(self, sch: "Schedule", pick: "Pick") -> None:
        self.apply(sch, pick)


def rule(kernel: str, target: str) -> Callable[[Callable[["Schedule", "Pick"], None]], Rule]:
    """Declare a rule.

    @rule("gather_gemm", "cpu")
    def gather_gemm(sch, pick): ...
    """
    return lambda apply: Rule(kernel, target, apply)


def find(kernel: str, target: "Target", rules: Sequence[Rule] = ()) -> Rule:
    """The rule in the first folder of the target's path that has one; `rules` win in each."""
    for folder in target.schedule_path:
        for candidate in (*rules, *_rules_in(folder, kernel)):
            if (candidate.kernel, candidate.target) == (kernel, folder):
                return candidate
    raise TargetError(
        f"no schedule of {kernel} for target {target.name}\n"
        f"  write schedules/{target.schedule_path[0]}/{kernel}.py, or load one from a file"
    )


def load_file(path: str | Path) -> tuple[Rule, ...]:
    """The rules that a user's Python file declares; the file is run."""
    path = Path(path).resolve()
    name = f"sparsetvm_schedule_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or not path.is_file():
        raise FileError(f"{path} is no Python file\n  a schedule is a .py file with an @rule in it")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and TVMScript look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as err:
        raise FileError(f"{path} fails: {type(err).__name__}: {err}") from err
    rules = _declared(module)
    if not rules:
        raise FileError(f'{path} declares no rule\n  put @rule("gather_gemm", "cpu") on a function')
    return rules


def _rules_in(folder: str, kernel: str) -> tuple[Rule, ...]:
    name = f"{__name__}.{folder}.{kernel}"
    try:
        return _declared(importlib.import_module(name))
    except ModuleNotFoundError as err:
        if err.name is None or not f"{name}.".startswith(f"{err.name}."):
            raise  # the file is there, and misses something that it imports
        return ()


def _declared(module: object) -> tuple[Rule, ...]:
    return tuple(value for value in vars(module).values() if isinstance(value, Rule))
