"""sparsetvm report: a page on a compiled net, its layers, the roofline and how it was tuned."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .output import progress, show_result, show_settings

EXAMPLE = "sparsetvm compile conv:8x8x3x28 -o c.stvm && sparsetvm report c.stvm"


def command(
    artifact: Annotated[Path, typer.Argument(help="A .stvm file.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The page to write; left out: the artifact's name, with .html.",
            show_default=False,
        ),
    ] = None,
    db: Annotated[
        str | None,
        typer.Option(
            help="The tuning database: a file or URL; left out: your own.", show_default=False
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(help="Runs to time.", min=1)] = 20,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Run an artifact on this machine and write one HTML page that needs nothing else.

    Layer by layer: the form that runs, our own dense forms, and the machine's measured ceilings;
    with the net's tuning curves, if the database knows them.
    """
    output = output or artifact.with_suffix(".html")
    show_settings("report", artifact=artifact, output=output, db=db, repeats=repeats)
    from ..bench.net_report import net_report
    from ..files import check_writable
    from ..report.net import write_net_report

    check_writable(output, overwrite)
    with progress(f"report {artifact}") as say:
        result = net_report(artifact, db, repeats, say)
        write_net_report(result, output, overwrite)
    text = f"{str(result.profile).splitlines()[0]}\nreport: {output}"
    show_result(result.to_json() | {"report": str(output)}, text, json)
