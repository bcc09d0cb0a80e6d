"""sparsetvm targets: what code can be generated for, and what is missing here for it."""

from . import options
from .output import show_result

EXAMPLE = "sparsetvm targets"


def command(json: options.Json = False) -> None:
    """List the targets, and for each what this machine lacks to compile for it."""
    from ..targets import survey

    found = survey()
    rows = [
        {"target": one.name, "what": one.what, "chip": one.chip, "linker": one.linker}
        | {"missing": one.missing}
        for one in found
    ]
    width = max(len(one.name) for one in found)
    lines = [f"{one.name:{width}}   {one.what}\n{'':{width}}   {_state(one)}" for one in found]
    show_result({"targets": rows}, "\n".join(lines), json)


def _state(one) -> str:
    if one.missing:
        first, *next_steps = one.missing.splitlines()
        return "  ".join([f"missing: {first}", *(step.strip() for step in next_steps)])
    return f"ready: {one.chip}, linked by {one.linker}"
