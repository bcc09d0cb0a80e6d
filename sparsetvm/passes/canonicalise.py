"""Bring a graph to the one form that later passes read: weights folded, bias last, pads inside."""

from dataclasses import replace

from ..frontends.imported import Imported
from .block import Block
from .fold_scales import fold_scales
from .simplify import simplify
from .weights import Weights, name_apart


def canonicalise(program: Imported) -> Imported:
    """Fold what is constant. Zeros in a weight stay zeros.

        p = R.nn.pad(x, [0, 0, 0, 0, 0, 1, 0, 1])
        c = R.nn.conv2d(p, conv.weight, padding=[0, 0, 0, 0])
        y = R.nn.batch_norm(c, norm.weight, norm.bias, norm.running_mean, norm.running_var)[0]
        z = R.matmul(v, fc.weight)                                  # [features, filters]
        -->
        c = R.nn.conv2d(x, conv.weight, padding=[0, 0, 1, 1])       # scaled filter by filter
        y = R.add(c, R.reshape(conv.bias, [1, filters, 1, 1]))
        z = R.matmul(v, R.permute_dims(fc.weight))                  # [filters, features]

    A batch norm that follows no layer becomes a multiply and an add.
    """
    arrays = program.arrays
    weights = Weights({var: arrays[var.name] for var in Block.of(program.module).weights})
    module = simplify(program.module, weights)
    module = fold_scales(module, weights)  # after simplify, which leaves multiply and add
    module, arrays = name_apart(module, weights)
    return replace(program, module=module, arrays=arrays, parameters=tuple(arrays))
