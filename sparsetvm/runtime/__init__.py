"""Compiled nets: kept in artifacts, run by engines."""

from .artifact import Artifact as Artifact
from .coexec import CoEngine as CoEngine
from .engine import Engine as Engine, load as load
from .layer_time import LayerTime as LayerTime
from .manifest import (
    LayerFacts as LayerFacts,
    Manifest as Manifest,
    Step as Step,
    TensorSpec as TensorSpec,
)
from .profile import Profile as Profile, StepTime as StepTime
