"""A result's folder: a table for people, all figures as JSON, and a plot."""

import json
from pathlib import Path
from typing import Any

from ..files import write_whole


def write_folder(
    name: str,
    table: str,
    figures: dict[str, Any],
    plot: str,
    folder: str | Path,
    overwrite: bool = False,
) -> None:
    """Write name.txt, name.json and name.svg, all or none."""
    contents = {
        f"{name}.txt": f"{table}\n",
        f"{name}.json": f"{json.dumps(figures, indent=2)}\n",
        f"{name}.svg": plot,
    }
    write_whole(folder, lambda new: _write(new, contents), overwrite)


def _write(folder: Path, contents: dict[str, str]) -> None:
    folder.mkdir()
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
