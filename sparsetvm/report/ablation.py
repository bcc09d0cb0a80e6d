"""The ablation's folder: a table for people, all figures as JSON, the searches as a plot."""

import json
from pathlib import Path

from ..bench.ablation import NEAR, Ablation
from ..files import write_whole
from .plots import search_curves


def write_ablation(result: Ablation, folder: str | Path, overwrite: bool = False) -> None:
    """Write ablation.txt, ablation.json and ablation.svg, all or none."""
    mean = {name: speeds.mean(1) for name, speeds in result.speeds.items()}
    contents = {
        "ablation.txt": f"{result}\n",
        "ablation.json": f"{json.dumps(result.to_json(), indent=2)}\n",
        "ablation.svg": search_curves(mean, NEAR),
    }
    write_whole(folder, lambda new: _write(new, contents), overwrite)


def _write(folder: Path, contents: dict[str, str]) -> None:
    folder.mkdir()
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
