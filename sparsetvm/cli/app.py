"""All verbs in one app, and what becomes of an error: 1 for the user's mistakes, 2 for ours."""

import logging
import sys
import tempfile
import traceback
from importlib import import_module
from typing import Annotated

import typer
from rich.logging import RichHandler

from .. import __version__
from ..errors import SparseTVMError
from . import records
from .output import STDERR

EXAMPLE = "sparsetvm demo"

VERBS = (
    *("demo", "plan", "prune", "accuracy", "export", "inspect", "tune", "compile", "run", "report"),
    *("together", "coexec", "bench", "step", "depth", "ablate"),
    *("targets", "devices", "emulate", "bundle", "assembly"),
)
"""In the order of the help; each is a file of this folder."""

app = typer.Typer(
    name="sparsetvm",
    help="Fine-grained structured sparsity, from pruning to fast kernels.",
    epilog=f"Example: {EXAMPLE}",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name in VERBS:
    _verb = import_module(f".{_name}", __package__)
    app.command(_name, epilog=f"Example: {_verb.EXAMPLE}")(_verb.command)
app.add_typer(records.app, name="records")


def main(arguments: list[str] | None = None) -> None:
    """Run one command and leave with its code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.exit(_run(arguments or ["--help"]))


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Say more, with tracebacks.")] = False,
) -> None:
    log = logging.getLogger("sparsetvm")
    log.setLevel(logging.DEBUG if debug else logging.INFO)
    log.handlers = [RichHandler(console=STDERR, show_path=False, show_time=debug, markup=False)]


def _run(arguments: list[str]) -> int:
    if "--version" in arguments:
        print(__version__)
        return 0
    try:
        command = typer.main.get_command(app)
        return command.main(arguments, prog_name="sparsetvm", standalone_mode=False) or 0
    except SparseTVMError as err:
        return _say(str(err), 1)
    except typer.TyperException as err:  # an unknown option, a missing argument
        verb = getattr(getattr(err, "ctx", None), "command_path", "sparsetvm")
        return _say(f"{err.format_message()}\n  see {verb} --help", 1)
    except (KeyboardInterrupt, typer.Abort):
        return _say("stopped; files are whole or absent", 130)
    except BrokenPipeError:  # the reader, say head, has seen enough
        return 0
    except Exception as err:
        if "--debug" in arguments:
            traceback.print_exc()
        return _say(_our_fault(err), 2)


def _say(text: str, code: int) -> int:
    STDERR.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
    return code


def _our_fault(err: Exception) -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="sparsetvm-fault-", suffix=".txt", delete=False
    ) as file:
        traceback.print_exception(err, file=file)
    first = str(err).strip().split("\n")[0]
    return (
        f"this is a fault of sparsetvm, not yours: {type(err).__name__}: {first}\n"
        f"  please report it with {file.name}"
    )
