"""The plan: which layer is pruned by which structure, read strictly from TOML."""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import PlanError, StructureError
from ..files import write_whole
from .dense import Dense
from .structure import Structure, structures

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KINDS = ("conv1d", "conv2d", "conv3d", "linear")
RECURRENT = ("gru", "lstm")
"""Kinds that are linear to a plan."""
READY = files(__package__) / "plans"


@dataclass(frozen=True)
class Rule:
    """One entry of [[layers]]: the layers it is for, and their structure."""

    structure: Structure
    match: str | None = None
    """Glob on the layer's dotted name: 'features.*'."""
    type: str | None = None
    """Glob on the layer's kind: 'conv2d', 'conv*'."""
    min_channels: int | None = None
    """Fewest input channels; spares first layers, which have few weights and suffer most."""

    def __post_init__(self) -> None:
        for key in ("match", "type"):
            value = getattr(self, key)
            if value is not None and not isinstance(value, str):
                raise PlanError(f"{key} is a glob in quotes, as {key} = 'conv*'; got {value!r}")
        if self.type is not None and not any(fnmatchcase(kind, self.type) for kind in KINDS):
            raise PlanError(f"type {self.type!r} fits none of {', '.join(KINDS)}")
        least = self.min_channels
        if least is not None and (type(least) is not int or least < 1):
            raise PlanError(f"min_channels is a whole number from 1 up; got {least!r}")
        if self.match is self.type is least is None:
            raise PlanError('no layers are named; add match = "features.*" or type = "conv*"')

    def fits(self, name: str, kind: str, channels: int) -> bool:
        return (
            fnmatchcase(name, self.match or "*")
            and fnmatchcase(kind, self.type or "*")
            and channels >= (self.min_channels or 1)
        )


@dataclass(frozen=True)
class Plan:
    """Rules that name layers come first, then the others, in the file's order; then the default.

    [default]
    structure = "dense"

    [[layers]]
    match = "features.*"                # and, or instead: type = "conv*", min_channels = 16
    structure = "pattern+connectivity"
    connectivity = 3.6                  # every other key is a parameter of the structure
    """

    rules: tuple[Rule, ...] = ()
    default: Structure = field(default_factory=Dense)

    @classmethod
    def load(cls, plan: str | Path) -> "Plan":
        """A ready plan by its name, or the plan in a TOML file."""
        if plan in ready_plans():
            return cls.named(str(plan))
        try:
            text = Path(plan).read_text(encoding="utf-8")
        except FileNotFoundError as err:
            known = _nearest(str(plan), ready_plans())
            raise PlanError(f"no plan file {plan} and no ready plan of that name; {known}") from err
        except (OSError, UnicodeDecodeError) as err:
            raise PlanError(f"cannot read plan {plan}: {err}; give a TOML file") from err
        return _parse(text, str(plan))

    @classmethod
    def named(cls, name: str) -> "Plan":
        """A ready plan: pattern8x-b8, connectivity3.6x-b8, block4x1-70, kgs3.6x, dense, …"""
        if name not in ready_plans():
            raise PlanError(f"no ready plan {name!r}; {_nearest(name, ready_plans())}")
        return _parse((READY / f"{name}.toml").read_text(encoding="utf-8"), name)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], source: str = "plan") -> "Plan":
        """The plan of a table as TOML gives it; `source` names it in messages."""
        _refuse_unknown(table, ("default", "layers"), source)
        layers = table.get("layers", ())
        if not isinstance(layers, list | tuple):
            raise PlanError(f"{source}: layers is a list; write [[layers]] with two brackets")
        default = table.get("default", {"structure": "dense"})
        return cls(
            tuple(_read_rule(rule, f"{source}, layer {i}") for i, rule in enumerate(layers, 1)),
            _read_structure(default, f"{source}, default"),
        )

    @classmethod
    def uniform(cls, structure: str, **parameters: Any) -> "Plan":
        """One structure for every layer."""
        return cls.from_dict({"default": {"structure": structure, **parameters}})

    def structure_for(self, name: str, kind: str, shape: tuple[int, ...]) -> Structure:
        """The structure of a layer, by its dotted name, its kind and its weight's shape.

        A depthwise layer is dense: its channels share no columns. A recurrent one is called linear,
        as its input projection is.
        """
        if kind.startswith("depthwise"):
            return Dense()
        kind = "linear" if kind in RECURRENT else kind
        named_first = sorted(self.rules, key=lambda rule: rule.match is None)
        fitting = (rule.structure for rule in named_first if rule.fits(name, kind, shape[1]))
        return next(fitting, self.default)

    def check_matches(self, names: Iterable[str]) -> None:
        """Raise PlanError if a rule's `match` fits none of the layers so named."""
        names = list(names)
        for glob in (rule.match for rule in self.rules if rule.match is not None):
            if not any(fnmatchcase(name, glob) for name in names):
                raise PlanError(f"match {glob!r} fits no layer; {_nearest(glob, names)}")

    def to_dict(self) -> dict[str, Any]:
        """The table that from_dict reads."""
        return {
            "default": _structure_table(self.default),
            "layers": [
                {key: value for key, value in _values(rule).items() if key != "structure"}
                | _structure_table(rule.structure)
                for rule in self.rules
            ],
        }

    def to_toml(self) -> str:
        """The text that load reads."""
        table = self.to_dict()
        sections = [_section("[default]", table["default"])]
        sections += [_section("[[layers]]", rule) for rule in table["layers"]]
        return "\n".join(sections)

    @property
    def digest(self) -> str:
        """The SHA-256 of that text, in hex: equal for plans that say the same."""
        return hashlib.sha256(self.to_toml().encode()).hexdigest()

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the plan to a TOML file, whole or not at all."""
        text = self.to_toml()
        write_whole(path, lambda new: new.write_text(text, encoding="utf-8"), overwrite)


def ready_plans() -> list[str]:
    """The names of the plans that come with the package."""
    return sorted(file.name.removesuffix(".toml") for file in READY.iterdir())


def _parse(text: str, source: str) -> Plan:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        raise PlanError(f"{source} is not valid TOML: {err}") from err
    return Plan.from_dict(table, source)


def _read_rule(table: Mapping[str, Any], where: str) -> Rule:
    conditions = [key.name for key in fields(Rule) if key.name != "structure"]
    structure = _read_structure(table, where, conditions)
    try:
        return Rule(structure, **{key: table[key] for key in conditions if key in table})
    except PlanError as err:
        raise PlanError(f"{where}: {err}") from err


def _read_structure(table: Any, where: str, others: Iterable[str] = ()) -> Structure:
    """The structure that a table names, with its parameters; `others` are keys of another use."""
    if not isinstance(table, Mapping) or not isinstance(table.get("structure"), str):
        known = ", ".join(structures)
        raise PlanError(f'{where} names no structure; add structure = "…", one of {known}')
    name = table["structure"]
    if name not in structures:
        raise PlanError(f"{where}: unknown structure {name!r}; {_nearest(name, structures)}")
    parameters = [key.name for key in fields(structures[name])]
    _refuse_unknown(table, ["structure", *others, *parameters], where)
    try:
        return structures[name](**{key: _tuples(table[key]) for key in parameters if key in table})
    except StructureError as err:
        raise PlanError(f"{where}: {err}") from err


def _refuse_unknown(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    known = list(known)
    for key in table:
        if key not in known:
            raise PlanError(f"{where}: unknown key {key!r}; {_nearest(key, known)}")


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known[:20]) or 'none'}"


def _structure_table(structure: Structure) -> dict[str, Any]:
    (name,) = (name for name in structures if structures[name] is type(structure))
    return {"structure": name} | _values(structure)


def _values(record: Any) -> dict[str, Any]:
    """What a frozen record says; None says nothing."""
    values = {key.name: getattr(record, key.name) for key in fields(record)}
    return {key: value for key, value in values.items() if value is not None}


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _section(head: str, table: Mapping[str, Any]) -> str:
    """Strings, numbers and lists are written alike in TOML and JSON."""
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in table.items()]
    return "".join([f"{head}\n", *lines])
