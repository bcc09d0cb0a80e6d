"""What a peer says of itself: its name, where its packages live, and how it loads a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import SparseTVMError
from ...registry import Registry

Run = Callable[[], list[np.ndarray]]
"""One inference on the inputs that the peer was loaded with; gives its outputs."""

OURS = ""
"""The environment that runs us, for peers whose packages live beside ours."""


@dataclass(frozen=True)
class Peer:
    """An engine held to fp32 and to a number of threads. `load` runs in the peer's own process."""

    name: str
    package: str
    """The distribution whose version is reported."""
    reads: str
    """The ending of the model file it takes: onnx, pt2 (torch.export) or stvm (our artifact)."""
    load: Callable[[Path, list[np.ndarray], int], Run]
    """(model file, inputs, threads) -> run; may write beside the model file."""
    environment: str = OURS
    """The virtual environment's folder name where packages conflict with ours."""
    requirements: tuple[str, ...] = ()
    bare_requirements: tuple[str, ...] = ()
    """Installed without their dependencies, which are large and not used here."""
    tolerance: float = 1e-3
    """The largest difference of an output from the expected one, of the largest value expected."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that it runs best with."""
    gains_from_zeros: bool = False
    """It is timed twice, on dense and on pruned weights; the others are as fast on either."""


peers: Registry[Peer] = Registry("peer", SparseTVMError)


def peer(name: str, **facts) -> Callable[[Callable], Callable]:
    """Register a load function as the peer of this name; `facts` are the other fields of Peer."""

    def add(load: Callable) -> Callable:
        peers.register(name)(Peer(name=name, load=load, **facts))
        return load

    return add
