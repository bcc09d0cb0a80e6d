"""The engines that ours is compared with, one file each; importing them needs numpy only."""

from . import (  # noqa: F401  (they register)
    deepsparse,
    mnn,
    ncnn,
    onnxruntime,
    openvino,
    sparsetvm,
    torch_compile,
    torch_eager,
)
from .peer import Peer as Peer, Run as Run, peers as peers
