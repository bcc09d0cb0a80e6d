"""sparsetvm ablate: what the tuner's cost model and its sparsity features are worth."""

from typing import Annotated

import typer

from . import options
from .output import progress, show_result, show_settings

EXAMPLE = "sparsetvm ablate vgg16 --plan pattern8x-b8 --db pool.db -o ablation"


def command(
    net: options.Net,
    db: Annotated[
        str, typer.Option(help="Where the pools lie: a file or a URL.", show_default=False)
    ],
    plan: options.Plan = None,
    pool: Annotated[int, typer.Option(help="Candidates to measure of each kernel.", min=16)] = 300,
    trials: Annotated[int, typer.Option(help="Of each kernel in a replayed search.", min=1)] = 64,
    live: Annotated[
        bool,
        typer.Option("--live", help="Also run a real search of so many trials, from nothing."),
    ] = False,
    target: options.Target = "cpu",
    threads: options.Threads = None,
    output: options.Folder = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Compare searches by chance, with TVM's features, and with those of the sparsity as well.

    Measures a pool of candidates of each kernel once and replays the searches on it. Stop it
    whenever you like: the same command goes on where it ended.
    """
    show_settings("ablate", net=net, plan=plan, pool=pool, trials=trials, threads=threads, db=db)
    from ..bench.ablation import ablation
    from ..files import check_writable
    from .net import read_net

    if output is not None:
        check_writable(output, overwrite)
    with progress(f"ablate {net}") as say:
        result = ablation(
            read_net(net, plan),
            db,
            net,
            target=target,
            threads=threads,
            pool=pool,
            trials=trials,
            live=live,
            progress=say,
        )
    if output is not None:
        from ..report.ablation import write_ablation

        write_ablation(result, output, overwrite)
    show_result(result.to_json(), str(result), json)
