"""The command line, called in this process."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from sparsetvm.cli import main


@dataclass(frozen=True)
class Run:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def sparsetvm(capsys, tmp_path, monkeypatch):
    """sparsetvm("compile", "vgg16", "-o", "vgg16.stvm") in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str) -> Run:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(list(arguments))
        out, err = capsys.readouterr()
        return Run(left.value.code, out, err)

    return run
