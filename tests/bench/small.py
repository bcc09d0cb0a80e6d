"""A small odd net, and the files that its contenders need."""

from pathlib import Path

import torch
from torch import nn

from sparsetvm.bench.contest import Contender
from sparsetvm.bench.model_files import expected_outputs, write_model
from sparsetvm.bench.nets import Net
from sparsetvm.bench.nets.initialise import initialise
from sparsetvm.bench.nets.named import example_input
from sparsetvm.bench.peers import Peer, peers


def small_net() -> Net:
    """7 channels of 5x9 through a strided and an odd convolution."""
    module = nn.Sequential(nn.Conv2d(7, 10, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(10, 5, 3))
    return Net("small", initialise(module), (example_input(1, 7, 9, 13),), "two convolutions")


def contender(net: Net, peer: str | Peer, folder: Path) -> Contender:
    peer = peers[peer] if isinstance(peer, str) else peer
    return Contender(peer.name, peer, write_model(net, folder, peer.reads), expected_outputs(net))


def with_zeros(net: Net, keep: int) -> Net:
    """The same net with all but every `keep`-th weight set to zero."""
    for layer in net.module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            with torch.no_grad():
                flat = layer.weight.view(-1)
                flat[torch.arange(len(flat)) % keep != 0] = 0
    return net
