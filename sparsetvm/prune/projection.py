"""The nearest weights that follow their structures, as masks, the same in every process."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from ..sparsity import Structure, share_patterns
from .processes import is_first, take_from_first


def project(
    weights: Mapping[str, torch.Tensor], structures: Mapping[str, Structure]
) -> dict[str, torch.Tensor]:
    """A bool mask for each weight; those of one plan entry share the pattern set found in all.

    The first process chooses, so that masks are equal on all, also on machines whose floats differ
    in the last bit.
    """
    masks = {name: torch.empty_like(w, dtype=torch.uint8) for name, w in weights.items()}
    if is_first():
        arrays = {name: _to_numpy(weight) for name, weight in weights.items()}
        for name, structure in share_patterns(structures, arrays).items():
            masks[name].copy_(_to_torch(structure.mask(arrays[name])))
    take_from_first(masks.values())
    return {name: mask.bool() for name, mask in masks.items()}


def project_parts(
    weights: Mapping[str, Sequence[torch.Tensor]], structures: Mapping[str, Structure]
) -> dict[str, list[torch.Tensor]]:
    """The same for each part of each structure by itself, which has a weight of its own."""
    masks = {
        name: [torch.empty_like(w, dtype=torch.uint8) for w in parts]
        for name, parts in weights.items()
    }
    if is_first():
        arrays = {name: [_to_numpy(w) for w in parts] for name, parts in weights.items()}
        means = {name: sum(parts) / len(parts) for name, parts in arrays.items()}
        for name, structure in share_patterns(structures, means).items():
            for mask, chosen in zip(masks[name], structure.part_masks(arrays[name]), strict=True):
                mask.copy_(_to_torch(chosen))
    take_from_first(mask for parts in masks.values() for mask in parts)
    return {name: [mask.bool() for mask in parts] for name, parts in masks.items()}


def _to_numpy(weight: torch.Tensor) -> np.ndarray:
    return weight.detach().cpu().numpy()


def _to_torch(mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(mask.astype(np.uint8))
