"""Targets by name: what code is generated for, how it is linked, and where it runs."""

from . import cpu  # noqa: F401  it registers itself
from .target import Target as Target, resolve as resolve, targets as targets
