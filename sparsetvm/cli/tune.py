"""sparsetvm tune: search the schedules of a net's kernels, here or on a device."""

from shlex import join
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .output import progress, say_more, show_result, show_settings

if TYPE_CHECKING:
    from ..tune.session import Progress

EXAMPLE = "sparsetvm tune conv:8x8x3x28 --trials 8 --threads 1"


def command(
    net: Annotated[
        str | None,
        typer.Argument(
            help="A file (.onnx, .pt2, .lir), a net's name, or one layer (conv:256x256x3x56).",
            show_default=False,
        ),
    ] = None,
    plan: options.Plan = None,
    trials: Annotated[int, typer.Option(help="Candidates for each kernel.", min=1)] = 64,
    target: options.Target = "cpu",
    threads: options.Threads = None,
    db: Annotated[
        str | None,
        typer.Option(help="A file or an SQLAlchemy URL; left out: your own.", show_default=False),
    ] = None,
    device: options.Device = None,
    tracker: options.Tracker = None,
    seed: Annotated[int, typer.Option(help="What the search draws from.")] = 0,
    status: Annotated[
        bool, typer.Option("--status", help="Say how tuning stands, net by net, and tune nothing.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Find faster schedules; `sparsetvm compile` uses them from then on.

    Stop it whenever you like: the same command goes on where it ended.
    """
    if status:
        return _show_status(db, json)
    if net is None:
        raise typer.BadParameter("name a net to tune, or say --status", param_hint="NET")
    settings = dict(plan=plan, trials=trials, target=target, threads=threads, db=db, seed=seed)
    settings |= dict(device=device, tracker=tracker)
    show_settings("tune", net=net, **settings)
    from ..tune.session import tune
    from .net import read_net

    try:
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
                device=device,
                tracker=tracker,
            )
    except KeyboardInterrupt:
        again = [f"--{name}={value}" for name, value in settings.items() if value is not None]
        say_more(f"all that was found is kept; go on: {join(['sparsetvm', 'tune', net, *again])}")
        raise
    show_result(result.to_json(), str(result), json)


def _show_status(db: str | None, json: bool) -> None:
    from ..tune.status import status
    from ..tune.store import Store

    store = Store(db, must_exist=True)
    nets = status(store)
    text = "\n".join(map(str, nets)) or f"{store.name}: nothing was tuned yet"
    show_result({"database": store.name, "nets": [net.to_json() for net in nets]}, text, json)


def _line(state: "Progress") -> str:
    best = ""
    if state.best_ms is not None:
        best = f", best {state.best_ms:.3f} ms, {state.gflops:.0f} GFLOP/s"
    minutes, seconds = divmod(round(state.seconds_left), 60)
    return (
        f"kernel {state.number} of {state.tasks}, {state.task}: {state.trials} of {state.wanted}"
        f"{best}; {state.left} trials left, {minutes}:{seconds:02}"
    )
