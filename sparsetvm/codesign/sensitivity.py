"""What each structure costs a layer, without samples: the part of its weights' energy that goes."""

import hashlib
from collections.abc import Callable

import numpy as np

from ..ir.layer import LayerIR
from .known import Known
from .latency import Numbers, Wanted
from .trial import plan_name


def lost_energy(ir: LayerIR, wanted: Wanted, say: Callable[[str], None]) -> Numbers:
    """The squared weights that the nearest zeros remove, of all the layer's squared weights."""
    known, found = Known(), {}
    lost: Numbers = {}
    for layer in ir.layers:
        name = plan_name(layer)
        if name not in wanted or name in lost:
            continue
        weight = ir.arrays[layer.weight]
        digest = hashlib.sha256(weight.tobytes()).hexdigest()
        lost[name] = {}
        for structure in wanted[name]:
            facts = ("lost energy", digest, weight.shape, structure)
            if (part := known.get(facts)) is None:
                say(f"what zeros cost {name}")
                mask = structure.mask(weight)
                energy = np.square(weight, dtype=float)
                part = float(energy[~mask].sum() / max(energy.sum(), np.finfo(float).tiny))
                found[facts] = [part]
            lost[name][structure] = part
    if found:
        known.add(found)
    return lost
