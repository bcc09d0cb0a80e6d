"""Where the activations of one Relay layer lie: between layers they are Relay's plain tensors."""

from dataclasses import dataclass

from ...ir.layer import Layer
from ...kernels.frame import Flat, Window
from .. import pack
from ..layout import Layout, Value, images, phases, samples


@dataclass(frozen=True)
class Place:
    """One layer's input and output.

    x       the input as it comes, plain
    source  the input as the kernel reads it: flat, with margins; a strided layer's, phase by phase
    dest    the output as the kernel writes it
    """

    window: Window
    x: Value
    source: Flat
    dest: Flat

    @classmethod
    def of(cls, layer: Layer) -> "Place":
        """Of `layer` alone: the margins are as wide as it needs them."""
        role = samples if layer.kind == "linear" else images
        window = pack.window_of(layer)
        x, y = role("x", layer.input_shape), role("y", layer.output_shape)
        read = phases("x", x, window) if window.is_strided else x
        layout = Layout(lanes=1)  # in rows, whatever the vectors
        layout.join([layout.add(read), layout.add(y)])
        layout.read(read, window, x.size, y.size)
        return cls(window, x, layout.flat(read), layout.flat(y))

    @property
    def phases(self) -> tuple[tuple[int, int, int], ...]:
        """The phases of the input that the kernel reads; without a stride there is one, all of
        it."""
        return self.window.phases if self.window.is_strided else ((0, 0, 0),)

    def output(self, index: tuple) -> object:
        """Where the plain output's element at `index` lies: [batch, channels, *size], or
        [batch, features]."""
        n, c, *pixel = index
        lead = [0] * (3 - len(pixel))
        return self.dest.frame.start(c) + self.dest.frame.place(n, *lead, *pixel)
