"""What a net on the command line may be: a file, a name, or one layer."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError, PlanError

if TYPE_CHECKING:
    from ..ir import LayerIR


def read_net(net: str, plan: str | None = None) -> "LayerIR":
    """The net as layer IR. One that is given by name has random weights: the plan prunes them."""
    suffix = Path(net).suffix
    if suffix == ".lir":
        from ..ir import load

        if plan is not None:
            raise PlanError(f"{net} has its plan inside\n  leave --plan out, or prune it again")
        return load(net)

    from ..sparsity.plan import Plan

    rules = Plan.load(plan) if plan else Plan()
    from ..compiler import export

    if suffix == ".onnx":
        return export(net, plan=rules)
    if suffix == ".pt2":
        from ..frontends.pt2 import read_pt2

        return export(read_pt2(net), plan=rules)

    from ..bench.nets import net as named
    from ..ir.prune import prune

    found = named(net)
    return prune(export(found.module, found.example_inputs), rules)


def read_module(net: str) -> tuple[Any, Any]:
    """The torch module of a net that is given by name, and its example inputs."""
    if Path(net).suffix in (".lir", ".onnx", ".pt2"):
        raise ModelError(
            f"{net} is a file, and samples run through a torch module\n"
            f"  in Python: sparsetvm.plan_for(model, example_inputs, samples=…)"
        )
    from ..bench.nets import net as named

    found = named(net)
    return found.module, found.example_inputs
