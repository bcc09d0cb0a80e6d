"""Fine-grained structured sparsity, from pruning to fast kernels.

import sparsetvm as st

plan   = st.Plan.load("pattern8x-b8")
model  = st.prune(model, plan)
lir    = st.export(model, example_inputs, plan)
engine = st.load(st.compile(lir))
y      = engine(x)
"""

import importlib
import sys
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Artifact": "runtime.artifact",
    "Batches": "prune.batches",
    "Bundle": "runtime.bundle",
    "Checkpoints": "prune.checkpoint",
    "CoEngine": "runtime.coexec",
    "Engine": "runtime.engine",
    "Engines": "engines",
    "LayerIR": "ir.layer",
    "Plan": "sparsity.plan",
    "Pruner": "prune.pruner",
    "SparseTVMError": "errors",
    "Stream": "runtime.stream",
    "Streams": "runtime.streams",
    "accelerate": "train",
    "bundle": "compiler",
    "coexecute": "compiler",
    "compile": "compiler",
    "distill": "prune",
    "explore": "prune.explore",
    "export": "compiler",
    "load": "runtime.engine",
    "load_ir": "ir.file",
    "plan_for": "codesign.planner",
    "prune": "prune",
    "tune": "tune.session",
}
"""Where each public name lives; imported on first use, so that `import sparsetvm` is instant."""

_CALLED = {"load_ir": "load"}
"""Names that are shorter at home."""

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sparsetvm' has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOME[name]}")
    value = globals()[name] = getattr(home, _CALLED.get(name, name))
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])


class _Package(ModuleType):
    """`st.prune` is the function, also after somebody imported the package sparsetvm.prune."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
