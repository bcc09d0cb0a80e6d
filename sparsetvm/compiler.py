"""From a net to an artifact, the whole way on one page."""

import logging
from pathlib import Path
from typing import Any

from .errors import ModelError, TargetError
from .frontends import read
from .frontends.imported import Imported
from .ir import LayerIR, verify
from .passes.form import Form, FormTimes, choose
from .passes.layer_ir import in_relax, layer_ir
from .passes.pipeline import program_of, to_code, to_layers
from .runtime.artifact import Artifact
from .runtime.build import build
from .runtime.bundle import Bundle, build_bundle
from .sparsity.plan import Plan
from .targets import Target, resolve
from .tune.lookup import Records

log = logging.getLogger(__name__)


def export(
    model: Any, example_inputs: Any = None, plan: Plan | str | Path | None = None
) -> LayerIR:
    """A torch module, an ExportedProgram or an ONNX file as a LayerIR.

    `example_inputs` is a tensor or a tuple of them; ONNX files and ExportedPrograms have their own.
    `plan` says which structure each layer's zeros follow: a Plan, its file or a ready plan's name;
    without one every layer is dense. Raises ModelError where the net cannot be read or its weights
    do not follow the plan, PlanError where the plan names a layer that is not there.
    """
    plan = plan if isinstance(plan, Plan) else Plan.load(plan or "dense")
    return layer_ir(to_layers(read(model, example_inputs)), plan)


def compile(
    model: LayerIR | Any,
    example_inputs: Any = None,
    plan: Plan | str | Path | None = None,
    target: str = "cpu",
    threads: int | None = None,
    database: str | Path | None = None,
    dump: str | Path | None = None,
    winograd: bool = True,
    device: str | None = None,
) -> Artifact:
    """A LayerIR, or whatever `export` takes, as an artifact for `target`.

    `threads` is how many a run may use, all cores of the device by default. Kernels that were tuned
    for this device get their best schedule, from tuning_logs/ or the tuning database (`database`, a
    path or URL; the user's own by default). `dump` is a folder for the module after each phase.
    `device` is the key of the device that they were tuned on, where it was behind a tracker.
    Without `winograd` every layer runs directly: slower, and a digit more accurate. GPUs have no
    other form yet.
    """
    ir = _layers(model, example_inputs, plan)
    resolved = resolve(target, threads, device)
    code, forms, times = _code(ir, resolved, database, dump, winograd)
    return build(code, ir, resolved, forms, times)


def bundle(
    model: LayerIR | Any,
    example_inputs: Any = None,
    plan: Plan | str | Path | None = None,
    target: str = "android-cpu",
    threads: int | None = None,
    database: str | Path | None = None,
    winograd: bool = True,
    device: str | None = None,
) -> Bundle:
    """What `compile` takes, for a device without Python and without TVM: machine code, weights, and
    sources that a C++ compiler makes a library of."""
    ir = _layers(model, example_inputs, plan)
    resolved = resolve(target, threads, device)
    if resolved.is_gpu:
        raise TargetError(
            f"a bundle is for CPUs; {target} needs TVM's runtime on the device\n"
            f"  take android-cpu, or compile an artifact: sparsetvm compile"
        )
    code, _, _ = _code(ir, resolved, database, None, winograd)
    return build_bundle(code, ir, resolved)


def _layers(model: LayerIR | Any, example_inputs: Any, plan: Plan | str | Path | None) -> LayerIR:
    ir = model if isinstance(model, LayerIR) else export(model, example_inputs, plan)
    if model is ir:
        if plan is not None:
            raise ModelError(
                f"{ir.source} has its plan inside; export it again with the other plan"
            )
        verify(ir)
    return in_relax(ir)


def _code(
    ir: LayerIR,
    target: Target,
    database: str | Path | None,
    dump: str | Path | None,
    winograd: bool,
) -> tuple[Imported, dict[str, Form], FormTimes]:
    """The net's kernels, each layer's form, and what tuning measured of them."""
    records = Records(target, database)
    folder = Path(dump) if dump else None
    times = records.times(ir.layers)
    forms = choose(ir.layers, ir.arrays, target, times, winograd and not target.is_gpu)
    code = to_code(program_of(ir), ir.layers, target, forms, records.trace_of, folder)
    log.info("%s", records)
    return code, forms, times
