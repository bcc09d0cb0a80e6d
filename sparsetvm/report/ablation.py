"""The ablation's folder: a table for people, all figures as JSON, the searches as a plot."""

from pathlib import Path

from ..bench.ablation import NEAR, Ablation
from .folder import write_folder
from .plots import search_curves


def write_ablation(result: Ablation, folder: str | Path, overwrite: bool = False) -> None:
    """Write ablation.txt, ablation.json and ablation.svg, all or none."""
    plot = search_curves({name: speeds.mean(1) for name, speeds in result.speeds.items()}, NEAR)
    write_folder("ablation", str(result), result.to_json(), plot, folder, overwrite)
