"""torch autograd over compiled sparse kernels: a pruned net trains without its zeros' work."""

from .accelerate import accelerate, report, restore
from .report import AccelerateReport, LayerChoice

__all__ = ["AccelerateReport", "LayerChoice", "accelerate", "report", "restore"]
