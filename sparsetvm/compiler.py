"""From a net to an artifact, the whole way on one page."""

import logging
from pathlib import Path
from typing import Any

from ._tvm import tvm
from .frontends import read
from .frontends.imported import Imported
from .ir import verify
from .ir.layer import LayerIR
from .passes.mark import layers_of
from .passes.pipeline import to_code, to_layers
from .runtime.artifact import Artifact
from .runtime.build import build
from .sparsity.plan import Plan
from .targets import resolve

log = logging.getLogger(__name__)


def export(model: Any, example_inputs: Any = None, plan: Plan | str | Path | None = None) -> LayerIR:
    """A torch module, an ExportedProgram or an ONNX file as a LayerIR.

    `plan` says which structure each layer's zeros follow (a Plan, its file or a ready plan's name);
    without one every layer is dense. Raises ModelError where the net cannot be read, StructureError
    where the weights do not follow the plan, PlanError where the plan names a layer that is not there.
    """
    plan = plan if isinstance(plan, Plan) else Plan.load(plan or "dense")
    program = to_layers(read(model, example_inputs))
    layers, dense_ops = layers_of(program, plan)
    ...
