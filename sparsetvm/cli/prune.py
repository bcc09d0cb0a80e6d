"""sparsetvm prune: zeros by a plan, one shot, by magnitude."""

from typing import Annotated

import typer

from . import options
from .output import progress, show_result, show_settings

EXAMPLE = "sparsetvm prune conv:64x64x3x28 --plan pattern8x-b8 -o conv.lir"


def command(
    net: options.Net,
    plan: Annotated[
        str,
        typer.Option(help="A plan's TOML file, or a ready plan's name.", show_default=False),
    ],
    output: options.Output,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Put a plan's zeros into a net's weights and write it as layer IR.

    What remains is not retrained; to fit it to a few inputs, prune in Python:
    sparsetvm.prune(model, plan, refit_on=samples).
    """
    show_settings("prune", net=net, plan=plan, output=output)
    from ..files import check_writable
    from ..ir import save
    from ..ir.prune import prune
    from ..sparsity.plan import Plan
    from .net import read_net

    check_writable(output, overwrite)
    rules = Plan.load(plan)
    with progress(f"pruning {net}"):
        ir = prune(read_net(net), rules)
        save(ir, output, overwrite)
    table = {
        "layer_ir": str(output),
        "layers": len(ir.layers),
        "parameters": sum(layer.parameters for layer in ir.layers),
        "rates": {layer.name: layer.rate for layer in ir.layers},
    }
    lines = [f"  {layer.name}  {layer.rate:.1f}x  {layer.structure}" for layer in ir.layers]
    show_result(table, "\n".join([f"wrote {output}", *lines]), json)
