"""sparsetvm step: a net's training step with its zeros left out, beside torch's dense one."""

from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .output import progress, show_result, show_settings

if TYPE_CHECKING:
    from ..bench.step import StepResult

EXAMPLE = "sparsetvm step digits-vgg --plan pattern8x-b8 --batch 64"


def command(
    net: options.NamedNet,
    plan: options.NeededPlan,
    batch: Annotated[int, typer.Option(help="Images in a step.", min=1)] = 1,
    threads: Annotated[int, typer.Option(help="Threads of both.", min=1)] = 1,
    seconds: Annotated[float, typer.Option(help="Time for each, about.")] = 3.0,
    json: options.Json = False,
) -> None:
    """Time forward, backward and update of a pruned net, on our kernels and by torch's dense code,
    in turns and in one run."""
    show_settings("step", net=net, plan=plan, batch=batch, threads=threads)
    from ..bench.step import step

    with progress(f"step {net}") as say:
        result = step(net, plan, batch, threads, seconds, say)
    show_result(result.to_json(), _text(result), json)


def _text(result: "StepResult") -> str:
    lines = [
        f"a training step of {result.net}, batch {result.batch}, plan {result.plan}",
        f"threads {result.threads} on {result.machine.cpu}, medians (p10 to p90) of interleaved "
        f"runs, {result.seconds} s for each",
    ]
    for name, outcome in (("sparsetvm", result.ours), ("torch, dense", result.dense)):
        time = outcome.timing
        if time is None:
            lines.append(f"  {name:12} skipped: {outcome.skipped}")
            continue
        loud = "" if time.quiet else "   others disturbed every run"
        spread = f"({time.p10:.2f} to {time.p90:.2f})"
        lines.append(f"  {name:12} {time.ms:9.2f} ms  error {outcome.error:.0e}  {spread}{loud}")
    if result.speedup is not None:
        lines.append(f"{result.speedup:.2f}x over torch's dense step")
    return "\n".join(lines)
