"""What the accelerated layers of one model share: buffers, and what was chosen for each layer."""

from dataclasses import dataclass, field

from .flat_tensor import Buffers
from .report import LayerChoice


@dataclass
class Accelerator:
    buffers: Buffers = field(default_factory=Buffers)
    choices: list[LayerChoice] = field(default_factory=list)

    def __deepcopy__(self, memo: dict) -> "Accelerator":
        return Accelerator()

    def __reduce__(self):
        return Accelerator, ()
