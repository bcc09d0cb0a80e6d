"""What there is to tune: one task for each distinct kernel of a net, with the arrays it is called with."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from .._tvm import relax, tirx, tvm
from ..frontends.imported import Imported
from ..kernels import reference


@dataclass(frozen=True)
class Task:
    """One kernel, unscheduled.

    layers     the layers that call it
    function   the PrimFunc; its last argument is the output
    arguments  all but the output: a layer's packed constants, random activations
    """

    layers: tuple[str, ...]
    function: tirx.PrimFunc
    epilogue: tuple[str, ...]
    arguments: tuple[np.ndarray, ...]
    output_length: int

    @property
    def calls(self) -> int:
        return len(self.layers)

    def truth(self) -> tuple[np.ndarray, np.ndarray]:
        """(places in the output, their values) by numpy."""
        return reference.gather_gemm(self.epilogue, *self.arguments)
