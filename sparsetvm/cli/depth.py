"""sparsetvm depth: what compiling costs against a net's depth."""

from typing import Annotated

import typer

from . import options
from .output import progress, show_result, show_settings

EXAMPLE = "sparsetvm depth --depths 50,101,152 -o depth"


def command(
    depths: Annotated[
        str, typer.Option(help="Layers of the residual nets, 3 n + 2 each.")
    ] = "50,101,152,500,1001",
    plan: Annotated[str, typer.Option(help="The plan that they are pruned by.")] = "resnet6x",
    output: options.Folder = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Compile residual nets of growing depth: time, kernels to tune, memory of a run, accuracy."""
    show_settings("depth", depths=depths, plan=plan)
    try:
        layers = [int(part) for part in depths.split(",")]
    except ValueError as err:
        raise typer.BadParameter(f"{depths!r} is no list of numbers, as 50,101,152 is") from err
    if len(layers) < 2:
        raise typer.BadParameter("a line needs two depths or more, as --depths 50,101")
    from ..bench.depth import depths as measure
    from ..files import check_writable

    if output is not None:
        check_writable(output, overwrite)
    with progress("depth") as say:
        result = measure(layers, plan, say)
    if output is not None:
        from ..report.depth import write_depths

        write_depths(result, output, overwrite)
    show_result(result.to_json(), str(result), json)
