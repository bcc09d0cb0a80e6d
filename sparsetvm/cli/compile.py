"""sparsetvm compile: a net becomes an artifact."""

import time
from pathlib import Path
from typing import Annotated

import typer

from . import options
from .output import progress, show_result, show_settings

EXAMPLE = "sparsetvm compile conv:64x64x3x28 --plan pattern8x-b8 -o conv.stvm"


def command(
    net: options.Net,
    output: options.Output,
    plan: options.Plan = None,
    target: options.Target = "cpu",
    threads: options.Threads = None,
    device: options.TunedOn = None,
    db: options.Records = None,
    dump: Annotated[
        Path | None,
        typer.Option(help="A folder for the module after each phase.", show_default=False),
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Compile a net to one file that `sparsetvm run` and sparsetvm.load run."""
    where = {"target": target, "threads": threads, "device": device}
    show_settings("compile", net=net, plan=plan, **where, output=output)
    from ..compiler import compile
    from ..files import check_writable
    from ..targets import resolve
    from .net import read_net

    check_writable(output, overwrite)
    resolve(target, threads, device)
    start = time.perf_counter()
    with progress(f"compiling {net}"):
        artifact = compile(read_net(net, plan), **where, database=db, dump=dump)
        artifact.save(output, overwrite)
    layers, size = len(artifact.manifest.layers), output.stat().st_size
    seconds = time.perf_counter() - start
    table = {"artifact": str(output), "layers": layers, "bytes": size, "seconds": seconds}
    text = f"wrote {output}: {layers} layers, {size / 1e6:.2f} MB, {seconds:.1f} s"
    show_result(table, text, json)
