"""Every pass in order, from a marked graph to code; read this first."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from .._tvm import relax, tvm
from ..frontends.imported import Imported
from ..ir.layer import Layer, LayerIR
from ..targets.target import Target
from .block import Block
from .canonicalise import canonicalise
from .form import Form
from .fuse import fuse
from .lower import Lowered, lower
from .mark import mark
from .schedule import TraceOf, schedule
from .side_by_side import Beside
from .unite import Entry

log = logging.getLogger(__name__)


def program_of(ir: LayerIR) -> Imported:
    """The graph of a LayerIR as the passes take it: its layers are marked, its weights named."""
    module = tvm.ir.load_json(ir.graph)
    names = tuple(var.name for var in Block.of(module).weights)
    return Imported(module, ir.arrays, names, ir.inputs, ir.source)


def to_layers(program: Imported) -> Imported:
    """From a front end's graph to one whose layers are functions of their own, named and with
    their epilogues."""
    program = canonicalise(program)  # batch norm and padding go into the convolutions
    program = mark(program)  # each convolution and linear layer becomes a function with its name
    return fuse(program)  # bias, residual add and activation go into it; after mark


def to_code(
    program: Imported,
    layers: tuple[Layer, ...],
    target: Target,
    forms: Mapping[str, Form],
    trace_of: TraceOf,
    dump: Path | None = None,
    entries: tuple[Entry, ...] = (),
    beside: Beside = Beside.NONE,
) -> Lowered:
    """From marked layers to a module that TVM can build.

    `forms` says how each layer runs, `trace_of` gives a kernel's tuned schedule; `dump` is a folder
    for the module after each phase. Of several nets, each of the `entries` is one,
    and `beside` says which layers of theirs share kernel calls.
    """
    _dump(program.module, dump, "0-marked")
    # Phase 1. layers and what lies between them, on flat activations
    program = lower(program, layers, target, forms, entries, beside)
    _dump(program.module, dump, "1-lowered")
    # Phase 2. fast kernels
    module = schedule(program.module, target, trace_of)
    _dump(module, dump, "2-scheduled")
    # Phase 3. the rest of the graph, by TVM's own passes: tvm.compile alone would not fuse
    with tvm.target.Target(dict(target.tvm)):
        module = tvm.ir.transform.Sequential(
            [
                relax.transform.LegalizeOps(),
                relax.transform.AnnotateTIROpPattern(),
                relax.transform.FoldConstant(),
                relax.transform.FuseOps(),
                relax.transform.FuseTIR(),
                relax.transform.RewriteDataflowReshape(),
                relax.transform.DeadCodeElimination(),
            ]
        )(module)
    _dump(module, dump, "3-fused")
    return replace(program, module=module)


def _dump(module, folder: Path | None, name: str) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.py").write_text(module.script())
        log.info("wrote %s", folder / f"{name}.py")
