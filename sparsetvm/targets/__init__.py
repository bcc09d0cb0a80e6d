"""Targets by name: what code is generated for, how it is linked, and where it runs."""

from . import android_opencl, arm64, cpu, cuda  # noqa: F401  they register themselves
from .survey import Survey as Survey, survey as survey
from .target import Target as Target, resolve as resolve, targets as targets
