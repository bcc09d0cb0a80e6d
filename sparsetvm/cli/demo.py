"""sparsetvm demo: the main job end to end, on a real net and real photographs."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .output import progress, show_result, show_settings

EXAMPLE = "sparsetvm demo --json"

REPORT = Path("sparsetvm-demo.html")


def command(
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help=f"Where to write the report; left out: {REPORT}, which is replaced.",
            show_default=False,
        ),
    ] = None,
    plan: Annotated[
        str, typer.Option(help="A plan's TOML file, or a ready plan's name.")
    ] = "pattern8x-b8",
    threads: Annotated[int, typer.Option(help="Threads of every engine.", min=1)] = 1,
    distill: Annotated[
        float, typer.Option(help="Minutes in which the dense net teaches the pruned one.", min=0)
    ] = 0.0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write the pruned net too, as layer IR.", show_default=False
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Prune an edge detector, refit it, compile it, check it, time it, and write a report.

    The net is VGG-16's convolutions with HED's weights; the photographs are scikit-image's.
    Takes up to 3 minutes on two cores; --distill 10 gives it ten more to come closer.
    """
    path, replace = (REPORT, True) if report is None else (report, overwrite)
    minutes = distill or None
    show_settings("demo", plan=plan, report=path, threads=threads, distill=minutes, output=output)
    from ..bench.demo import demo
    from ..files import check_writable
    from ..report.demo import write_report

    check_writable(path, replace)
    if output is not None:
        check_writable(output, overwrite)
    with progress("demo") as say:
        result = demo(plan, threads, distill, output, overwrite, say)
        write_report(result, path, replace)
    show_result(result.to_json() | {"report": str(path)}, f"{result}\nreport: {path}", json)
