"""sparsetvm tune: search the schedules of a net's kernels on this device."""

from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .output import progress, show_result, show_settings

if TYPE_CHECKING:
    from ..tune.session import Progress

EXAMPLE = "sparsetvm tune conv:8x8x3x28 --trials 8 --threads 1"


def command(
    net: options.Net,
    plan: options.Plan = None,
    trials: Annotated[int, typer.Option(help="Candidates for each kernel.", min=1)] = 64,
    target: options.Target = "cpu",
    threads: options.Threads = None,
    db: Annotated[
        str | None,
        typer.Option(help="A file or an SQLAlchemy URL; left out: your own.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="What the search draws from.")] = 0,
    json: options.Json = False,
) -> None:
    """Find faster schedules; `sparsetvm compile` uses them from then on.

    Stop it whenever you like: the same command goes on where it ended.
    """
    show_settings("tune", net=net, plan=plan, trials=trials, target=target, threads=threads, db=db)
    from ..tune.session import tune
    from .net import read_net

    with progress(f"tune {net}") as say:
        result = tune(
            read_net(net, plan),
            target=target,
            trials=trials,
            threads=threads,
            database=db,
            seed=seed,
            name=(net, plan) if plan else None,
            progress=lambda state: say(_line(state)),
        )
    show_result(result.to_json(), str(result), json)


def _line(state: "Progress") -> str:
    best = (
        ""
        if state.best_ms is None
        else f", best {state.best_ms:.3f} ms, {state.gflops:.0f} GFLOP/s"
    )
    return f"kernel {state.number} of {state.tasks}, {state.task}: {state.trials} of {state.wanted}{best}"
