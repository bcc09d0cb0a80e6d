"""sparsetvm bundle: a net becomes C++, machine code and weights, for an app."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .output import progress, show_result, show_settings

EXAMPLE = "sparsetvm bundle conv:64x64x3x28 --plan pattern8x-b8 -o conv"


def command(
    net: options.Net,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder to write.", show_default=False)
    ],
    plan: options.Plan = None,
    target: options.Target = "android-cpu",
    threads: options.Threads = None,
    device: options.TunedOn = None,
    db: options.Records = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Write a net as a folder that a C++ compiler builds on, the NDK's for one; the device needs
    neither Python nor TVM. A README inside says how."""
    where = {"target": target, "threads": threads, "device": device}
    show_settings("bundle", net=net, plan=plan, **where, output=output)
    from ..compiler import bundle
    from ..files import check_writable
    from ..targets import resolve
    from .net import read_net

    check_writable(output, overwrite)
    resolve(target, threads, device)
    with progress(f"compiling {net}"):
        made = bundle(read_net(net, plan), **where, database=db)
        made.save(output, overwrite)
    size = sum(map(len, made.files.values()))
    table = {"bundle": str(output), "files": sorted(made.files), "bytes": size}
    text = f"wrote {output}: {size / 1e6:.2f} MB; {output / 'README.md'} says how to build it"
    show_result(table, text, json)
