"""Every verb's help ends in an example that works; every error has its code and its sentence."""

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sparsetvm import __version__
from sparsetvm.cli.app import app

VERBS = [command.name for command in app.registered_commands]
TAKES_LONG = {
    *("demo", "bench", "together", "ablate", "accuracy", "step", "plan", "depth"),
    *("coexec", "devices", "emulate"),
}
"""Their examples run in the tests of what is behind them."""


def example(verb):
    return importlib.import_module(f"sparsetvm.cli.{verb}").EXAMPLE


def test_the_verbs_are_those_of_the_design():
    design = {"demo", "prune", "export", "inspect", "tune", "compile", "run", "bench", "report"}
    assert design <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_help_ends_with_an_example(sparsetvm, verb):
    run = sparsetvm(verb, "--help")
    assert run.code == 0
    assert run.out.rstrip().endswith(f"Example: {example(verb)}")
    assert re.search(r"Usage: sparsetvm \w+.*\n\s*\n \w", run.out)  # a sentence on what it does


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in TAKES_LONG])
def test_every_example_works_when_pasted(sparsetvm, verb):
    for command in example(verb).split("&&"):
        name, *arguments = shlex.split(command)
        assert name == "sparsetvm"
        run = sparsetvm(*arguments)
        assert run.code == 0, run.err


def test_without_a_verb_help_is_printed(sparsetvm):
    assert sparsetvm().out == sparsetvm("--help").out == sparsetvm("-h").out
    assert "Commands" in sparsetvm().out


def test_the_version_is_printed(sparsetvm):
    assert sparsetvm("--version").out == f"{__version__}\n"


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from sparsetvm.cli import main\n"
        "try: main(['compile', '--help'])\n"
        "except SystemExit: print(*{'torch', 'tvm', 'numpy', 'matplotlib'} & set(sys.modules))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compil"], "No such command 'compil'. Did you mean 'compile'?\n  see sparsetvm --help"),
        (["compile"], "Missing argument 'net'.\n  see sparsetvm compile --help"),
        (["inspect", "vgg16", "--plann", "x"], "No such option: --plann"),
        (["run", "x.stvm", "--repeats", "0"], "Invalid value for '--repeats'"),
        (["run", "x.stvm"], "there is no artifact at x.stvm"),
        (["inspect", "x.stvm"], "there is no artifact at x.stvm"),
        (["inspect", "x.lir"], "there is no layer IR at x.lir"),
        (["inspect", "x.pt2"], "there is no file x.pt2"),
        (["inspect", "x.onnx"], "x.onnx"),
        (["inspect", "vgg17"], "unknown net 'vgg17'; known: "),
        (["inspect", "conv:8x8"], "'conv:8x8' is no layer"),
        (["inspect", "vgg16", "--plan", "pattern9x"], "no plan file pattern9x"),
        (
            ["compile", "vgg16", "-o", "a.stvm", "--target", "gpu"],
            "unknown target 'gpu'; known: android-cpu, android-opencl, cpu, cuda, linux-arm64",
        ),
        (
            ["compile", "vgg16", "-o", "a.stvm", "--threads", "0"],
            "threads must be 1 or more; got 0",
        ),
        (["compile", "vgg16", "-o", "none/a.stvm"], "cannot write none/a.stvm"),
    ],
    ids=" ".join,
)
def test_a_users_mistake_is_one_sentence_and_code_1(sparsetvm, arguments, message):
    run = sparsetvm(*arguments)
    assert run.code == 1
    assert run.out == ""
    assert message in run.err
    assert "Traceback" not in run.err


def test_our_own_fault_says_where_the_traceback_is(sparsetvm, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("sparsetvm.files.check_writable", lambda *_: 1 / 0)
    run = sparsetvm("export", "vgg16", "-o", "vgg16.lir")
    assert run.code == 2
    assert "this is a fault of sparsetvm, not yours: ZeroDivisionError: division by zero" in run.err
    (report,) = re.findall(r"report it with (\S+)", run.err)
    assert "Traceback" in Path(report).read_text()
    assert "Traceback" in sparsetvm("--debug", "export", "vgg16", "-o", "vgg16.lir").err


def test_a_stopped_command_says_so(sparsetvm, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sparsetvm.files.check_writable", stop)
    run = sparsetvm("export", "vgg16", "-o", "vgg16.lir")
    assert run.code == 130
