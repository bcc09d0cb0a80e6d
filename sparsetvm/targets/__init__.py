"""Targets by name: what code is generated for, how it is linked, and where it runs."""

from . import arm64, cpu  # noqa: F401  they register themselves
from .survey import Survey as Survey, survey as survey
from .target import Target as Target, resolve as resolve, targets as targets
