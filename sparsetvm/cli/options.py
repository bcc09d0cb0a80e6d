"""Arguments and options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

Net = Annotated[
    str,
    typer.Argument(
        help="A file (.onnx, .pt2, .lir), a net's name (vgg16), or one layer (conv:256x256x3x56).",
        show_default=False,
    ),
]
NamedNet = Annotated[
    str,
    typer.Argument(
        help="A net's name (vgg16), or one layer (conv:256x256x3x56).", show_default=False
    ),
]
NeededPlan = Annotated[
    str,
    typer.Option(help="A plan's TOML file, or a ready plan's name.", show_default=False),
]
Plan = Annotated[
    str | None,
    typer.Option(
        help="A plan's TOML file, or a ready plan's name (pattern8x-b8). A net given by name is "
        "pruned by it; a file's weights must follow it already.",
        show_default=False,
    ),
]
Target = Annotated[
    str,
    typer.Option(
        help="cpu: this machine's; cpu:haswell: another of its family; android-cpu, linux-arm64: "
        "other devices'; `sparsetvm targets` lists them."
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(help="Threads of a run; left out: all cores.", show_default=False),
]
Tracker = Annotated[
    str | None,
    typer.Option(help="An RPC tracker's host:port; left out: 127.0.0.1:9190.", show_default=False),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="Run there: the key of a device that the tracker knows; left out: on this machine.",
        show_default=False,
    ),
]
TunedOn = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="The key of the device whose tuning records count; left out: this machine's.",
        show_default=False,
    ),
]
Records = Annotated[
    str | None,
    typer.Option(help="Tuning records: a file or URL; left out: your own.", show_default=False),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="The file to write.", show_default=False)
]
Folder = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="A folder for table, JSON and plot.", show_default=False),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
