"""The folder of figures against depth: a table for people, JSON, and the plot."""

from pathlib import Path

from ..bench.depth import Depths
from .folder import write_folder
from .plots import depth_line


def write_depths(result: Depths, folder: str | Path, overwrite: bool = False) -> None:
    """Write depth.txt, depth.json and depth.svg, all or none."""
    plot = depth_line(
        [net.layers for net in result.nets],
        [net.seconds for net in result.nets],
        [net.kernels for net in result.nets],
        result.line,
        result.r2,
    )
    write_folder("depth", str(result), result.to_json(), plot, folder, overwrite)
