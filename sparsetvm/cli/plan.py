"""sparsetvm plan: the structure of each layer, for a speed-up or a time on this device."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .output import progress, show_result, show_settings

if TYPE_CHECKING:
    import numpy as np

EXAMPLE = "sparsetvm plan conv:64x64x3x28 --speedup 2 --threads 1 -o plan.toml"


def command(
    net: options.Net,
    output: options.Output,
    speedup: Annotated[
        float | None,
        typer.Option(help="How many times faster than our own dense net.", show_default=False),
    ] = None,
    ms: Annotated[
        float | None, typer.Option(help="Or: milliseconds of a run.", show_default=False)
    ] = None,
    target: options.Target = "cpu",
    threads: options.Threads = None,
    samples: Annotated[
        Path | None,
        typer.Option(
            help="A .npy file of inputs that tell what each layer's zeros cost; for a net that is "
            "given by name. Left out: the energy of the weights that go.",
            show_default=False,
        ),
    ] = None,
    db: options.Records = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Choose structure, rate and B of every layer, so that the net is as fast as asked.

    Layers are measured on this device, once; the plan is then tried in the whole net. It is a text
    to read and change; sparsetvm prune --plan takes it.
    """
    show_settings(
        "plan", net=net, speedup=speedup, ms=ms, target=target, threads=threads, samples=samples
    )
    from ..codesign import plan_for
    from ..files import check_writable
    from .net import read_module, read_net

    check_writable(output, overwrite)
    model, inputs = (read_net(net), None) if samples is None else read_module(net)
    with progress(f"plan {net}") as say:
        design = plan_for(
            model,
            inputs,
            speedup=speedup,
            ms=ms,
            target=target,
            threads=threads,
            samples=None if samples is None else _read_samples(samples),
            database=db,
            progress=say,
        )
    design.save(output, overwrite)
    lines = [
        f"  {layer.name}  {layer.structure}  B={layer.structure.group}  {layer.reason}"
        for layer in design.layers
    ]
    text = "\n".join([f"wrote {output}", *lines, str(design)])
    show_result({"plan": str(output), **design.to_json()}, text, json)


def _read_samples(path: Path) -> "np.ndarray":
    import numpy as np

    from ..errors import FileError

    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as err:
        raise FileError(
            f"cannot read {path} as .npy: {err}\n  write several inputs of the net with numpy.save"
        ) from err
