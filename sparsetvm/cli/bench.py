"""sparsetvm bench: a net under a plan, beside other engines."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options
from .output import progress, show_result, show_settings

if TYPE_CHECKING:
    from ..bench.result import BenchResult

EXAMPLE = "sparsetvm bench conv:64x64x3x28 --plan pattern8x-b8 --peers torch"


def command(
    net: options.NamedNet,
    plan: options.NeededPlan,
    peers: Annotated[
        str | None,
        typer.Option(
            help="Engines to compare with, by commas; left out: all that are known.",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads of every engine.", min=1)] = 1,
    seconds: Annotated[
        float | None,
        typer.Option(help="Time for each engine, about.", show_default=False),
    ] = None,
    install: Annotated[
        bool,
        typer.Option("--install", help="Install the peers first, apart where packages conflict."),
    ] = False,
    target: Annotated[
        str, typer.Option(help="cpu; cuda: a net's layers on an NVIDIA GPU, beside cuDNN's.")
    ] = "cpu",
    json: options.Json = False,
) -> None:
    """Time our engine, sparse and dense, and its peers, in turns and in one run.

    A peer that is not installed is skipped; one whose result differs from torch's gets no time.
    """
    if target != "cpu":
        _on_gpu(net, plan, target, json)
        return
    show_settings("bench", net=net, plan=plan, peers=peers, threads=threads)
    from ..bench.compare import bench

    chosen: dict[str, Any] = {"threads": threads}
    if peers is not None:
        chosen["peers"] = [name.strip() for name in peers.split(",") if name.strip()]
    if seconds is not None:
        chosen["seconds"] = seconds
    if install:
        from ..bench.environments import install_peers

        with progress("installing peers"):
            install_peers(chosen.get("peers"))
    with progress(f"bench {net}") as say:
        result = bench(net, plan, progress=say, **chosen)
    show_result(result.to_json(), _text(result), json)


def _on_gpu(net: str, plan: str, target: str, json: bool) -> None:
    show_settings("bench", net=net, plan=plan, target=target)
    from ..errors import TargetError

    if target.partition(":")[0] != "cuda":
        raise TargetError(f"bench runs on cpu and cuda; got {target!r}")
    from ..bench.gpu import gpu_table

    with progress(f"bench {net}") as say:
        table = gpu_table(net, plan, target, progress=say)
    show_result(table.to_json(), str(table), json)


def _text(result: "BenchResult") -> str:
    """A line for each engine, the fastest first, then what was gained."""
    table = result.to_json()
    times, ours = table["spread"], table["ours"]["ms"]
    width = max(map(len, [*times, *table["skipped"]]))
    threads = f"{result.threads} thread{'s' if result.threads > 1 else ''}"
    lines = [
        f"{result.description}; plan {result.plan}",
        f"{threads} on {table['machine']['cpu']}, medians (p10 to p90) of "
        f"interleaved runs, {table['seconds']} s for each engine",
    ]
    for name, time in sorted(times.items(), key=lambda item: item[1]["ms"]):
        ratio = f"{time['ms'] / ours:6.2f}x" if ours else ""
        spread = f"({time['p10']:.3f} to {time['p90']:.3f})"
        loud = "" if time["quiet"] else "   others disturbed every run"
        error = f"error {table['errors'][name]:.0e}"
        lines.append(f"  {name:{width}} {time['ms']:10.3f} ms {ratio}  {error}  {spread}{loud}")
    lines += [f"  {name:{width}} skipped: {why}" for name, why in table["skipped"].items()]
    if table["speedup_over_fastest_dense"]:
        lines.append(
            f"{table['speedup_over_fastest_dense']:.2f}x over {table['fastest_dense']}, "
            f"the fastest dense engine"
        )
    if table["ours"]["realised"]:
        lines.append(
            f"{table['operations']['reduction']:.1f}x fewer operations than "
            f"our own dense direct form, "
            f"{table['ours']['realised']:.0%} of that realised"
        )
    return "\n".join(lines)
