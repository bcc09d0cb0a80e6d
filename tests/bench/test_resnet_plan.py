"""The ready plan for ResNets, on the net that it is made for."""

import torch

from sparsetvm.bench.nets import net as net_of
from sparsetvm.prune.layers import find_layers, find_weights, structures_for
from sparsetvm.sparsity import Plan


def test_resnet6x_leaves_a_sixth_of_the_operations():
    net = net_of("resnet50")
    layers = find_layers(net.module)
    structures = structures_for(find_weights(net.module), Plan.named("resnet6x"))
    uses = {}
    for name, layer in layers.items():
        layer.register_forward_hook(
            lambda layer, _, y, name=name: uses.update({name: y.numel() * layer.weight[0].numel()})
        )
    with torch.inference_mode():
        net.module(*net.example_inputs)
    kept = sum(
        uses[name] / structures[name].rate_for(tuple(layer.weight.shape))
        for name, layer in layers.items()
    )

    assert 5.9 < sum(uses.values()) / kept < 6.1
    assert {str(structures[f"layer{i}.0.conv2"]).split("(")[0] for i in (1, 4)} == {"pattern"}
    assert str(structures["layer4.0.downsample.0"]).startswith("block 4x1")
