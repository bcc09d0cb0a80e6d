"""The small net for digits as a named net; it stands for nets whose layers take microseconds."""

from .initialise import initialise
from .named import Net, example_input, nets
from .small import DigitsVGG


@nets.register("digits-vgg")
def digits_vgg() -> Net:
    x = example_input(1, 1, 28, 28)
    return Net(
        "digits-vgg",
        initialise(DigitsVGG(), x),
        (x,),
        "VGG-like for digits (5 convolutions, 2 linear layers, 135 k weights), random weights",
    )
