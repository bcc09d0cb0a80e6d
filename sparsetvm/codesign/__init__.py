"""Sparsity and compiler designed together: plans from measured latency and sensitivity."""

from .design import Design, Goal, LayerChoice
from .planner import plan_for

__all__ = ["Design", "Goal", "LayerChoice", "plan_for"]
