"""sparsetvm inspect: what a net is to the compiler, or what an artifact was compiled for."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import options
from .output import progress, show_result

if TYPE_CHECKING:
    from ..ir import Layer, LayerIR
    from ..runtime import Manifest

EXAMPLE = "sparsetvm inspect conv:64x64x3x28 --plan pattern8x-b8"


def command(net: options.Net, plan: options.Plan = None, json: options.Json = False) -> None:
    """Print a net's layer IR, or what an artifact (.stvm) says of itself."""
    if Path(net).suffix == ".stvm":
        from ..runtime import Artifact

        manifest = Artifact.load(net).manifest
        show_result(asdict(manifest), _manifest_text(manifest), json)
        return
    from .net import read_net

    with progress(f"reading {net}"):
        ir = read_net(net, plan)
    show_result(_table(ir), str(ir), json)


def _table(ir: "LayerIR") -> dict[str, Any]:
    """What the text says, for programs."""
    return {
        "source": ir.source,
        "dialect": ir.dialect,
        "inputs": [{"name": n, "shape": s, "dtype": d} for n, s, d in ir.inputs],
        "outputs": [{"shape": s, "dtype": d} for s, d in ir.outputs],
        "layers": [_layer_table(layer) for layer in ir.layers],
        "dense_ops": [asdict(op) for op in ir.dense_ops],
    }


def _layer_table(layer: "Layer") -> dict[str, Any]:
    structure = {
        "structure": str(layer.structure),
        "group": layer.structure.group,
        "block": layer.structure.block,
        "rate": layer.rate,
    }
    return asdict(replace(layer, structure=None)) | structure


def _manifest_text(manifest: "Manifest") -> str:
    from ..runtime.layer_time import HEAD, LayerTime, aligned, notes

    specs = [("in ", spec) for spec in manifest.inputs]
    specs += [("out", spec) for spec in manifest.outputs]
    times = [LayerTime(facts, facts.forms_ms.get(facts.form)) for facts in manifest.layers]
    rows = [(*time.cells(), f"{time.facts.bytes / 1e6:.2f}", time.facts.schedule) for time in times]
    return "\n".join(
        [
            f"{manifest.source} for {manifest.target}, threads {manifest.threads}, "
            + ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
            *(f"{way}  {s.name} [{','.join(map(str, s.shape))}] {s.dtype}" for way, s in specs),
            *(f"  {line}" for line in aligned((*HEAD, "MB", "schedule"), rows)),
            *notes(times),
        ]
    )
