"""sparsetvm run: an artifact on this machine or on a device, timed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .output import progress, show_result, show_settings

if TYPE_CHECKING:
    import numpy as np

    from ..runtime import Engine, Manifest

EXAMPLE = "sparsetvm compile conv:8x8x3x28 -o c.stvm && sparsetvm run c.stvm"


def command(
    artifact: Annotated[Path, typer.Argument(help="A .stvm file.", show_default=False)],
    input: Annotated[
        Path | None,
        typer.Option(
            "--input",
            "-i",
            help="A .npy file, or for several inputs an .npz that names them; "
            "left out: random numbers.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where to write the result: .npy, or for several outputs .npz.",
            show_default=False,
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(help="Runs to time.", min=1)] = 20,
    device: options.Device = None,
    tracker: options.Tracker = None,
    profile: Annotated[bool, typer.Option("--profile", help="Print each step's time.")] = False,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Run an artifact, print how long it takes, and write what it computes."""
    from ..runtime.inputs import SEED, random_inputs

    seed = SEED if input is None else None
    where = {"device": device, "tracker": tracker}
    show_settings("run", artifact=artifact, input=input, seed=seed, repeats=repeats, **where)
    from ..files import check_writable

    if output is not None:
        check_writable(output, overwrite)
    with _engine(artifact, device, tracker) as engine:
        values = random_inputs(engine.manifest) if input is None else _read(input, engine.manifest)
        result = engine(values)
        with progress(f"running {artifact}"):
            times = engine.profile(values, repeats)
    if output is not None:
        names = [spec.name for spec in engine.manifest.outputs]
        _write(output, dict(zip(names, _tensors(result), strict=True)), overwrite)
    text = str(times) if profile else str(times).split("\n")[0]
    show_result(times.to_json() | {"seed": seed}, text, json)


def _tensors(result: object) -> list:
    """One by one; an engine of several nets gives a table of theirs."""
    if isinstance(result, dict):
        return [y for own in result.values() for y in _tensors(own)]
    return list(result) if isinstance(result, tuple) else [result]


@contextmanager
def _engine(artifact: Path, device: str | None, tracker: str | None) -> "Iterator[Engine]":
    """Here, or on a device that is given back at the end."""
    from ..runtime import Artifact, load
    from ..runtime.device import Device
    from ..runtime.remote import RemoteEngine
    from ..runtime.tracker import Remote

    if device is None:
        yield load(artifact)
        return
    loaded = Artifact.load(artifact)
    with Device(Remote(device, tracker), loaded.manifest.threads) as there:
        yield RemoteEngine(loaded, there)


def _read(path: Path, manifest: "Manifest") -> "np.ndarray | dict[str, np.ndarray]":
    import numpy as np

    from ..errors import FileError

    try:
        loaded = np.load(path, allow_pickle=False)
        return loaded if isinstance(loaded, np.ndarray) else dict(loaded)
    except (OSError, ValueError, EOFError) as err:
        names = ", ".join(spec.name for spec in manifest.inputs)
        raise FileError(
            f"cannot read {path} as .npy or .npz: {err}\n"
            f"  write it with numpy.save, or numpy.savez for several ({names})"
        ) from err


def _write(path: Path, outputs: "dict[str, np.ndarray]", overwrite: bool) -> None:
    import numpy as np

    from ..files import write_whole

    def write(new: Path) -> None:
        with new.open("wb") as file:
            if len(outputs) == 1:
                np.save(file, *outputs.values())
            else:
                np.savez(file, **outputs)

    write_whole(path, write, overwrite)
