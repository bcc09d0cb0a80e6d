"""Structured sparsity in numpy: structures by name, their packed form, plans that assign them."""

from .bcr import BCR
from .block import Block
from .connectivity import Connectivity
from .dense import Dense
from .joined import PatternConnectivity
from .kgs import KGS, Vanilla
from .nm import NM
from .packed import Packed, pack, unpack
from .pattern import Pattern, find_patterns
from .plan import Plan
from .sharing import share_patterns
from .structure import Structure, structures

__all__ = [
    "BCR",
    "KGS",
    "NM",
    "Block",
    "Connectivity",
    "Dense",
    "Packed",
    "Pattern",
    "PatternConnectivity",
    "Plan",
    "Structure",
    "Vanilla",
    "find_patterns",
    "pack",
    "share_patterns",
    "structures",
    "unpack",
]
