"""Pruning without structure, for the peers that gain from it."""

import torch
from torch import nn

from sparsetvm.bench.nets import Net
from sparsetvm.bench.unstructured import prune_unstructured


def test_each_layer_keeps_its_largest_weights_and_the_net_is_left_alone():
    module = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 3, groups=16), nn.Conv2d(16, 8, 1), nn.Linear(20, 5)
    )
    before = [layer.weight.detach().clone() for layer in module]

    pruned = prune_unstructured(Net("net", module, (), ""), zeros=0.9).module

    zeros = [int((layer.weight == 0).sum()) for layer in pruned]
    assert zeros == [0, 0, 115, 90]  # the first and the depthwise layer stay
    kept = pruned[3].weight != 0
    assert torch.equal(pruned[3].weight[kept], before[3][kept])
    assert before[3][kept].abs().min() >= before[3][~kept].abs().max()
    assert all(torch.equal(layer.weight, was) for layer, was in zip(module, before, strict=True))
