"""From a net to an artifact, the whole way on one page."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from .errors import ModelError, TargetError
from .frontends import read
from .ir import LayerIR, verify
from .passes.form import Form, FormTimes, choose
from .passes.layer_ir import in_relax, layer_ir
from .passes.lower import Lowered
from .passes.pipeline import program_of, to_code, to_layers
from .passes.side_by_side import Beside
from .passes.unite import Entry, Shared, unite
from .runtime.artifact import Artifact
from .runtime.build import build
from .runtime.bundle import Bundle, build_bundle
from .runtime.coexec import CoEngine, fastest
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
    entries: tuple[Entry, ...] = (),
    beside: Beside = Beside.NONE,
) -> tuple[Lowered, dict[str, Form], FormTimes]:
    """The net's kernels, each layer's form, and what tuning measured of them."""
    records = Records(target, database)
    folder = Path(dump) if dump else None
    times = records.times(ir.layers)
    forms = choose(ir.layers, ir.arrays, target, times, winograd and not target.is_gpu)
    code = to_code(
        program_of(ir), ir.layers, target, forms, records.trace_of, folder, entries, beside
    )
    log.info("%s", records)
    return code, forms, times


def coexecute(
    nets: Mapping[str, LayerIR] | Sequence[LayerIR],
    target: str = "cpu",
    threads: int | None = None,
    database: str | Path | None = None,
    shared: Shared = True,
    winograd: bool = True,
    beside: Beside | None = None,
) -> CoEngine:
    """Several nets in one engine: `engine(x)` runs all of them, `engine[name](x)` one alone.

    Inputs of one name, shape and dtype are one, with `shared=False` none, with a table those that
    it lists: {"image": ["a/x", "b/image"]}. Layers of equal weights on equal inputs run once,
    weights are kept once, and one arena serves all. Layers that are equal but for their weights run
    side by side in one kernel, as `beside` says; without it every way is measured here, and the
    fastest stays. Nets in a sequence are called a, b, c, …; the rest is as `compile` has it.
    """
    nets = _named(nets)
    for ir in nets.values():
        verify(ir)
    nets = {name: in_relax(ir) for name, ir in nets.items()}
    united = unite(nets, shared)
    ir, resolved = united.ir, resolve(target, threads)
    ways: dict[tuple, tuple[str, Artifact]] = {}
    for way in Beside if beside is None else [beside]:
        code, forms, times = _code(ir, resolved, database, None, winograd, united.entries, way)
        if code.beside not in ways:
            artifact = build(code, ir, resolved, forms, times, nets, united.once)
            ways[code.beside] = way.value, artifact
    return fastest(dict(ways.values()))


def _named(nets: Mapping[str, LayerIR] | Sequence[LayerIR]) -> dict[str, LayerIR]:
    """Nets by name; those of a sequence are called a, b, c, …"""
    named = dict(nets if isinstance(nets, Mapping) else zip(ascii_lowercase, nets, strict=False))
    if not len(named) == len(nets) > 0:
        raise ModelError(
            f"{len(nets)} nets have no names\n  give 1 to 26 nets, or a table from names to nets"
        )
    return named
