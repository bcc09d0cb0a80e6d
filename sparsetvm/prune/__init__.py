"""Zeros in a torch module where a plan wants them, and what is left made the best of."""

from .distill import DistillReport, distill, distill_with_report
from .magnitude import prune, prune_with_report
from .pruner import Pruner
from .refit import refit
from .report import PrunedLayer, PruneReport
from .soft_labels import soft_label_loss

__all__ = [
    "DistillReport",
    "PruneReport",
    "PrunedLayer",
    "Pruner",
    "distill",
    "distill_with_report",
    "prune",
    "prune_with_report",
    "refit",
    "soft_label_loss",
]
