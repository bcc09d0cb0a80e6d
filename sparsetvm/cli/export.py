"""sparsetvm export: a net becomes layer IR."""

from . import options
from .output import progress, show_result, show_settings

EXAMPLE = "sparsetvm export conv:64x64x3x28 -o conv.lir"


def command(
    net: options.Net,
    output: options.Output,
    plan: options.Plan = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Write a net as layer IR: one record for each layer, with its structure and weights."""
    show_settings("export", net=net, plan=plan, output=output)
    from ..files import check_writable
    from ..ir import save
    from .net import read_net

    check_writable(output, overwrite)
    with progress(f"exporting {net}"):
        ir = read_net(net, plan)
        save(ir, output, overwrite)
    table = {"layer_ir": str(output), "layers": len(ir.layers), "dense_ops": len(ir.dense_ops)}
    text = f"wrote {output}: {len(ir.layers)} layers; {len(ir.dense_ops)} more run as dense code"
    show_result(table, text, json)
