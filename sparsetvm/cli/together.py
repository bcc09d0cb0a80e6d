"""sparsetvm together: several nets in one engine, beside an engine for each."""

from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .output import progress, show_result, show_settings

if TYPE_CHECKING:
    from ..bench.together import TogetherResult

EXAMPLE = "sparsetvm together vgg16 --plan pattern8x-b8 --heads"


def command(
    net: options.NamedNet,
    plan: options.NeededPlan,
    nets: Annotated[int, typer.Option(help="How many, on one input.", min=2, max=26)] = 2,
    heads: Annotated[
        bool, typer.Option("--heads", help="One backbone with as many heads; else weights differ.")
    ] = False,
    threads: Annotated[int, typer.Option(help="Threads of a run.", min=1)] = 2,
    seconds: Annotated[float, typer.Option(help="Time for each way, about.")] = 3.0,
    json: options.Json = False,
) -> None:
    """Time several nets in one engine, in engines one after the other, and in processes at once."""
    show_settings("together", net=net, plan=plan, nets=nets, heads=heads or None, threads=threads)
    from ..bench.together import together

    with progress(f"together {net}") as say:
        result = together(net, plan, nets, heads, threads, seconds, say)
    show_result(result.to_json(), _text(result), json)


def _text(result: "TogetherResult") -> str:
    kind = f"{result.nets} heads on one" if result.heads else f"{result.nets} nets of the kind"
    lines = [
        f"{kind} {result.net}, plan {result.plan}: milliseconds of all of them once",
        f"threads {result.threads} on {result.machine.cpu}, medians (p10 to p90) of interleaved "
        "runs",
    ]
    for way, time in result.timings.items():
        loud = "" if time.quiet else "   others disturbed every run"
        ratio = f"{result.speedup(way):5.2f}x"
        lines.append(
            f"  {way:18}{time.ms:9.3f} ms  {ratio}  ({time.p10:.3f} to {time.p90:.3f}){loud}"
        )
    sharing = result.sharing
    lines += [
        f"largest difference from the nets alone: {result.difference:.0e} of the largest value",
        f"layers that run once for several: {len(sharing.once)}; "
        f"side by side in one kernel: {sum(map(len, sharing.beside))} in {len(sharing.beside)}",
        f"activations read: {sharing.read / 1e6:.2f} MB, apart {sharing.read_apart / 1e6:.2f}",
        f"weights: {result.weights / 1e6:.2f} MB, apart {result.weights_apart / 1e6:.2f}",
    ]
    if sharing.ms:
        ways = ", ".join(f"{way} {ms:.3f}" for way, ms in sharing.ms.items())
        lines.append(f"ways to run them in one engine, ms: {ways}")
    if result.memory_ratio is not None:
        apart = sum(memory.peak for memory in result.memory_apart)
        lines.append(
            f"memory of a run: {result.memory.peak / 1e6:.1f} MB, apart {apart / 1e6:.1f} "
            f"({result.memory_ratio:.2f}x)"
        )
    return "\n".join(lines)
