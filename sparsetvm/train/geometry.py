"""What a layer does to images of one size, and the rasters in which it can."""

from dataclasses import dataclass

from ..kernels.frame import Frame, Window
from .flat_tensor import Size


@dataclass(frozen=True)
class Geometry:
    """What a layer does to images of one size; every layer is seen as three-dimensional."""

    window: Window
    rank: int
    """Spatial axes of the layer itself; 0: linear."""
    batch: int
    size: Size
    output: Size

    @property
    def frame(self) -> Frame:
        """The least raster in which no margin is too small."""
        return frame_of(self.batch, self.window.pitch(self.size, self.output), self.window)

    def suits(self, frame: Frame) -> bool:
        """Whether `frame` has the margins that this layer needs."""
        needed = frame_of(self.batch, frame.pitch, self.window)
        wide = all(a >= b for a, b in zip(frame.pitch, self.frame.pitch, strict=True))
        return wide and frame.batch == self.batch and frame.reach >= needed.reach


def frame_of(batch: int, pitch: Size, window: Window) -> Frame:
    """A raster of this pitch, with guards for what the window looks at."""
    steps = (pitch[1] * pitch[2], pitch[2], 1)
    reach = max(
        abs(sum(s * n for s, n in zip(shift, steps, strict=True))) for _, shift in window.taps
    )
    return Frame(batch, pitch, reach)
