"""sparsetvm records: what tuning found, listed, exported as text, imported and pruned."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .output import show_result, show_settings

if TYPE_CHECKING:
    from ..tune.record import Session
    from ..tune.store import Summary

EXAMPLE = "sparsetvm records list"
EXAMPLES = {
    "list": EXAMPLE,
    "export": "sparsetvm records export --net vgg16 --plan pattern8x-b8 -o tuning_logs",
    "import": "sparsetvm records import tuning_logs/cpu-znver5/tvm-0.27/vgg16-pattern8x-b8-t1",
    "prune": "sparsetvm records prune --keep 10",
}

Db = Annotated[
    str | None,
    typer.Option(
        help="The tuning database: a file, or a URL (postgresql://…); left out: your own.",
        show_default=False,
    ),
]

app = typer.Typer(
    help="List, export, import and prune what tuning found.",
    epilog=f"Example: {EXAMPLE}",
)


@app.command("list", epilog=f"Example: {EXAMPLES['list']}")
def list_records(db: Db = None, json: options.Json = False) -> None:
    """Print what the database knows: its sessions, and each kernel's records."""
    from ..tune.store import Store

    store = Store(db, must_exist=True)
    summary, sessions = store.summary(), store.sessions()
    table = {
        "database": store.name,
        "sessions": [asdict(session) for session in sessions],
        "workloads": [asdict(line) for line in summary],
    }
    show_result(table, "\n".join(_text(store.name, sessions, summary)), json)


@app.command("export", epilog=f"Example: {EXAMPLES['export']}")
def export(
    net: Annotated[
        str | None, typer.Option(help="Only this net's sessions.", show_default=False)
    ] = None,
    plan: Annotated[
        str | None, typer.Option(help="Only this plan's sessions.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The folder of all logs; left out: the checkout's tuning_logs.",
            show_default=False,
        ),
    ] = None,
    db: Db = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Write the best records of each session as text that git keeps and compile finds."""
    from ..errors import FileError
    from ..tune.logs import export_logs, logs_folder
    from ..tune.store import Store

    root = output or logs_folder()
    show_settings("records export", db=db, net=net, plan=plan, output=root)
    if root is None:
        raise FileError("an installed sparsetvm has no tuning_logs\n  name a folder: -o FOLDER")
    store = Store(db, must_exist=True)
    sessions = store.sessions(net, plan)
    if not sessions:
        raise FileError(
            f"{store.name} has no such session\n"
            f"  sparsetvm records list shows those that there are; sparsetvm tune makes them"
        )
    folders = [str(export_logs(store, session, root, overwrite)) for session in sessions]
    show_result({"folders": folders}, "\n".join(f"wrote {folder}" for folder in folders), json)


@app.command("import", epilog=f"Example: {EXAMPLES['import']}")
def import_(
    folders: Annotated[
        list[Path],
        typer.Argument(help="Folders that hold a database_tuning_record.json.", show_default=False),
    ],
    device: Annotated[
        str | None,
        typer.Option(
            help="Whose times they are, where MetaSchedule itself wrote the folder.",
            show_default=False,
        ),
    ] = None,
    threads: options.Threads = None,
    db: Db = None,
    json: options.Json = False,
) -> None:
    """Put exported records, or those of MetaSchedule's own JSONDatabase, into the database."""
    show_settings("records import", db=db, device=device, threads=threads)
    from ..tune.logs import import_logs
    from ..tune.store import Store

    store = Store(db)
    counts = {str(folder): import_logs(store, folder, device, threads) for folder in folders}
    text = "\n".join(f"{count} records from {folder}" for folder, count in counts.items())
    show_result({"database": store.name, "records": counts}, text, json)


@app.command("prune", epilog=f"Example: {EXAMPLES['prune']}")
def prune(
    keep: Annotated[int, typer.Option(help="Records of each kernel to keep.", min=1)] = 10,
    quarantined: Annotated[
        bool,
        typer.Option("--quarantined", help="Also forget what failed, so that it is tried again."),
    ] = False,
    db: Db = None,
    json: options.Json = False,
) -> None:
    """Remove slow records; what failed stays known unless you say otherwise."""
    show_settings("records prune", db=db, keep=keep)
    from ..tune.store import Store

    store = Store(db, must_exist=True)
    removed = store.prune(keep, quarantined)
    table = {"database": store.name, "removed": removed}
    show_result(table, f"removed {removed} records from {store.name}", json)


def _text(name: str, sessions: "list[Session]", summary: "list[Summary]") -> Iterator[str]:
    total = sum(line.measured + line.verified for line in summary)
    yield f"{name}: {total} records of {len(summary)} kernels, {len(sessions)} sessions"
    names = {task.workload: task.name for session in sessions for task in session.tasks}
    for session in sessions:
        yield (
            f"{session.net}, plan {session.plan}: {len(session.tasks)} tasks, "
            f"{session.trials} trials each, seed {session.seed}, {session.date} ({session.place})"
        )
    place = None
    for line in summary:
        if line.place != place:
            place = line.place
            yield f"{place}"
        best = "" if line.best_ms is None else f"  best {line.best_ms:.3g} ms"
        yield (
            f"  {names.get(line.workload, line.workload)}  {line.measured} measured, "
            f"{line.verified} verified, {line.quarantined} quarantined{best}"
        )
