"""The nets that are benched and demonstrated, as short torch definitions of our own."""

from ...errors import ModelError
from . import (  # noqa: F401  (they register)
    c3d,
    conv1d,
    digits,
    efficientnet_lite,
    mobilenet,
    r2plus1d,
    recurrent,
    resnet,
    vgg,
)
from .efficientnet_lite import efficientnet_input as efficientnet_input
from .g2p import g2p as g2p
from .hed import hed as hed, hed_input as hed_input
from .named import Net as Net, nets as nets
from .single import EXAMPLE, PREFIX, single_conv


def net(name: str) -> Net:
    """The net of this name, or one layer: conv:256x256x3x56 = in, out, kernel, size."""
    if name.startswith(PREFIX):
        return single_conv(name)
    if name not in nets:
        raise ModelError(f"unknown net {name!r}; known: {', '.join(nets)} and layers as {EXAMPLE}")
    return nets[name]()
