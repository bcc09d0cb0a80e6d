"""Where things are written: results to stdout, all else to stderr."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

STDERR = Console(stderr=True)
STDOUT = Console(soft_wrap=True)


def show_settings(verb: str, **settings: Any) -> None:
    """First of all, what is going to be done: 'compile  net vgg16  target cpu'."""
    said = [f"{key} {value}" for key, value in settings.items() if value is not None]
    text = "  ".join([verb, *said])
    STDERR.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)


def say_more(text: str) -> None:
    """A sentence for people."""
    STDERR.print(text, markup=False, highlight=False, soft_wrap=True)


def show_result(table: dict[str, Any], text: str, as_json: bool) -> None:
    """The result, for programs or for people."""
    if as_json:
        print(json.dumps(table, indent=2))
    else:
        STDOUT.print(text, markup=False, highlight=False)


@contextmanager
def progress(start: str) -> Iterator[Callable[[str], None]]:
    """A line on stderr that says what is going on; the function that it gives changes it."""
    if not STDERR.is_terminal:
        yield lambda text: None
        return
    with STDERR.status(start) as status:
        yield status.update
