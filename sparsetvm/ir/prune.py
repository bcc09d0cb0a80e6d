"""One-shot pruning of a net that is exported already: numpy only, whatever it came from."""

from dataclasses import replace

from ..sparsity import Plan, share_patterns
from .layer import LayerIR, count_parameters


def prune(ir: LayerIR, plan: Plan) -> LayerIR:
    """The same net with the plan's zeros in its weights, by magnitude.

    Layers that share a weight (features.0 and features.0@2) are one layer to the plan.
    """
    names = {layer.name: layer.name.partition("@")[0] for layer in ir.layers}
    plan.check_matches(names.values())
    structures = share_patterns(
        {
            layer.name: plan.structure_for(names[layer.name], layer.kind, layer.weight_shape)
            for layer in ir.layers
        },
        {layer.name: ir.arrays[layer.weight] for layer in ir.layers},
    )
    arrays, layers = dict(ir.arrays), []
    for layer in ir.layers:
        structure = structures[layer.name]
        weight = ir.arrays[layer.weight]
        arrays[layer.weight] = weight = weight * structure.mask(weight)
        parameters = count_parameters(structure, weight)
        layers.append(replace(layer, structure=structure, parameters=parameters))
    return replace(ir, layers=tuple(layers), arrays=arrays)
