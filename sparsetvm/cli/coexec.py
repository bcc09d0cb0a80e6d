"""sparsetvm coexec: several artifacts side by side, each at its own rate."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.live import Live
from rich.table import Table

from . import options
from .output import STDERR, progress, show_result, show_settings

if TYPE_CHECKING:
    from ..runtime.stream import Stream
    from ..runtime.streams import Streams

EXAMPLE = "sparsetvm coexec a.stvm b.stvm --rate 30,10 --seconds 20"
PROCESSES = "processes"

T = TypeVar("T")


def command(
    artifacts: Annotated[list[Path], typer.Argument(help=".stvm files.", show_default=False)],
    rate: Annotated[
        str, typer.Option(help="Requests per second of each net, by commas.", show_default=False)
    ],
    deadline: Annotated[
        str | None,
        typer.Option(
            help="Milliseconds from request to answer, by commas; left out: until the next.",
            show_default=False,
        ),
    ] = None,
    priority: Annotated[
        str | None,
        typer.Option(
            help="By commas: a net of a higher one goes first, whatever the deadlines.",
            show_default=False,
        ),
    ] = None,
    when_busy: Annotated[
        str,
        typer.Option(help="What becomes of a request meanwhile, by commas: latest, drop, queue."),
    ] = "latest",
    seconds: Annotated[float, typer.Option(help="How long.", min=0.1)] = 20,
    cores: Annotated[
        int | None,
        typer.Option(help="Cores to use; left out: all.", min=1, show_default=False),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="processes: in turns with a process for each net, as many seconds.",
            show_default=False,
        ),
    ] = None,
    soak: Annotated[
        float | None,
        typer.Option(
            help="Instead: reload the last net every so many seconds, beside two more streams of "
            "the first, one fed NaN and wrong shapes and one ended on the way; check all answers.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A page to write.", show_default=False),
    ] = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
) -> None:
    """Run nets side by side as streams: who is due first has the cores.

    A net runs on as many cores as it was compiled for (compile --threads), or on fewer where others
    are due sooner; long ones give way. Inputs are random.
    """
    show_settings(
        "coexec", rate=rate, deadline=deadline, priority=priority, when_busy=when_busy,
        seconds=seconds, cores=cores, against=against, soak=soak, output=output,
    )  # fmt: skip
    if against not in (None, PROCESSES):
        raise typer.BadParameter(f"--against {against}: it can be {PROCESSES}")
    from ..bench.coexecution import coexecute_streams
    from ..files import check_writable

    if output is not None:
        check_writable(output, overwrite)
    count = len(artifacts)
    streams = _streams(
        artifacts,
        _each("--rate", rate, float, count),
        _each("--deadline", deadline, lambda word: float(word) / 1e3, count),
        _each("--priority", priority or "0", int, count),
        _each("--when-busy", when_busy, str, count),
    )
    if soak is not None:
        _soak(streams, seconds, soak, json)
        return
    with _live() as started:
        result = coexecute_streams(streams, seconds, against == PROCESSES, cores, started)
    text = str(result)
    if output is not None:
        from ..report.coexecution import write_coexecution_report

        write_coexecution_report(result, output, overwrite)
        text += f"\nreport: {output}"
    show_result(result.to_json() | {"report": output and str(output)}, text, json)


def _soak(streams: "list[Stream]", seconds: float, reload_seconds: float, json: bool) -> None:
    from ..bench.soak import soak
    from ..errors import SparseTVMError

    with progress("soak") as say:
        result = soak(streams, seconds, reload_seconds, say)
    show_result(result.to_json(), str(result), json)
    if not result.is_good:
        raise SparseTVMError("the soak found what it should not; see above")


def _each(option: str, words: str | None, read: Callable[[str], T], count: int) -> list[T | None]:
    """What an option says of each net; one word serves all."""
    if words is None:
        return [None] * count
    try:
        values = [read(word.strip()) for word in words.split(",")]
    except ValueError as err:
        raise typer.BadParameter(f"{option} {words}: a number for each net, by commas") from err
    if len(values) not in (1, count):
        raise typer.BadParameter(f"{option} {words}: {len(values)} values for {count} nets")
    return values * count if len(values) == 1 else values


def _streams(artifacts: Sequence[Path], *settings: Sequence) -> "list[Stream]":
    from ..runtime.stream import Stream

    streams: dict[str, Stream] = {}
    for path, rate, deadline, priority, when_busy in zip(artifacts, *settings, strict=True):
        name = path.stem
        while name in streams:
            name += "'"
        streams[name] = Stream(name, path, rate, deadline, priority, when_busy)
    return list(streams.values())


@contextmanager
def _live() -> "Iterator[Callable[[Streams], None]]":
    """A table on stderr, twice a second, of the streams that the function it gives is handed."""
    running: list[Streams] = []

    def table() -> Table:
        head = ("", "rate", "due ms", "answered", "p50 ms", "p99 ms", "missed", "dropped")
        shown = Table(*head, box=None, header_style="dim")
        for stream in running[0].summary() if running else []:
            figures = (stream.deadline_ms, stream.answered, stream.p50_ms, stream.p99_ms)
            shown.add_row(
                stream.name,
                f"{stream.rate:g}",
                *(f"{figure:.4g}" for figure in figures),
                f"{stream.missed:.1%}",
                str(stream.dropped),
            )
        return shown

    if not STDERR.is_terminal:
        yield lambda streams: None
        return
    with Live(get_renderable=table, console=STDERR, refresh_per_second=2, transient=True):
        yield running.append
