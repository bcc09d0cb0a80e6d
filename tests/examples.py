"""Structures and weights for contract tests: every structure in every folder gets the same ones."""

from collections.abc import Iterable, Iterator

import numpy as np

from sparsetvm.sparsity import (
    BCR,
    KGS,
    NM,
    Block,
    Connectivity,
    Dense,
    Pattern,
    PatternConnectivity,
    Structure,
    Vanilla,
)

GROUPS = (1, 2, 3, 8, 32)


def example_structures(
    groups: Iterable[int] = (1, 8), blocks: Iterable[int | None] = (None,)
) -> Iterator[Structure]:
    """Every registered structure with each group size and block of input channels."""
    blocks = tuple(blocks)
    for group in groups:
        for block in blocks:
            yield Dense(group, block)
            yield Pattern(group=group, block=block)
            yield Connectivity(2.5, group, block)
            yield PatternConnectivity(connectivity=2.5, group=group, block=block)
            yield Block(group, 1, 3.0, block)
            yield Block(group, 4, 2.0, block)
            yield BCR(2 * group, 16, 1.5, 2.0, group, block)
            yield KGS(group, 4, 2.5, block)
            yield KGS(group, 4, 2.5, block, together=3)
            yield Vanilla(group, 4, 2.5, block)
            yield NM(1, 4, group, block)


def name_example(structure: Structure) -> str:
    """For ids=: 'kgs 8x4 2.5x, group 8, block 3'."""
    return f"{structure}, group {structure.group}, block {structure.block}"


def random_weight(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """float32, without zeros."""
    weight = rng.standard_normal(shape).astype(np.float32)
    return np.where(weight == 0, np.float32(1), weight)


def pruned_weight(
    structure: Structure, shape: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """A random weight with the structure's zeros."""
    weight = random_weight(shape, rng)
    return weight * structure.mask(weight)
