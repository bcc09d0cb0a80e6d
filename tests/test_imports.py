"""The house: imports point down, heavy libraries stay home, and `import sparsetvm` is instant."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sparsetvm

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]

FLOORS = [
    {"errors"},
    {"files", "registry", "sealed_zip", "_tvm"},
    {"sparsity"},
    {"ir"},
    {"prune", "targets", "kernels"},
    {"frontends", "schedules"},
    {"passes"},
    {"runtime"},
    {"tune"},
    {"compiler"},
    {"engines"},
    {"train", "codesign"},
    {"__init__"},  # the public names; those below are behind them
    {"bench"},
    {"report"},
    {"cli"},
    {"__main__"},
]
"""A part imports itself and the floors below it; parts of one floor do not know each other."""

HOMES = {
    "torch": {"prune", "frontends", "train", "bench"},
    "onnx": {"frontends", "bench"},
    "xgboost": {"tune"},
    "sqlalchemy": {"tune"},
    "platformdirs": {"tune", "bench"},
    "onnxruntime": {"bench"},
    "skimage": {"bench"},
    "h5py": {"bench"},
    "matplotlib": {"report"},
    "rich": {"cli"},
    "typer": {"cli"},
}
"""Heavy libraries, and the parts that may import them."""

NO_TVM = {"errors", "files", "registry", "sealed_zip", "sparsity", "ir", "prune", "report", "cli"}

FILES = sorted([*ROOT.glob("sparsetvm/**/*.py"), *ROOT.glob("schedules/**/*.py")])


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_point_down(file):
    part = _part(file)
    own = {part, *(below for floor in FLOORS[: _floor(part)] for below in floor)}
    for module, line in _imports(file):
        if module.startswith("sparsetvm"):
            other = [*module.split("."), "__init__"][1]
            assert other in own, f"{file}:{line}: {part} may not import {other}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_heavy_libraries_stay_at_home(file):
    part = _part(file)
    for module, line in _imports(file):
        library = module.split(".")[0]
        if library in HOMES:
            assert part in HOMES[library], f"{file}:{line}: {library} is not for {part}"
        if library == "tvm" or module.startswith("sparsetvm._tvm"):
            assert part not in NO_TVM, f"{file}:{line}: tvm is not for {part}"


def test_every_part_has_a_floor():
    assert {_part(file) for file in FILES} <= set().union(*FLOORS)


def test_importing_sparsetvm_imports_nothing_heavy():
    light = {"sparsetvm"} | set(sys.stdlib_module_names)
    code = (
        "import sys; before = set(sys.modules)\nimport sparsetvm; print(*set(sys.modules) - before)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {name.split(".")[0] for name in run.stdout.split()} <= light


@pytest.mark.parametrize("name", sparsetvm.__all__)
def test_every_public_name_is_there(name):
    assert getattr(sparsetvm, name) is not None
    assert name in dir(sparsetvm)


def test_a_name_that_is_none_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'prnue'"):
        sparsetvm.prnue  # noqa: B018


@pytest.mark.parametrize(
    "first", ["import sparsetvm.prune", "from sparsetvm.prune import refit", ""]
)
def test_prune_is_the_function_whatever_was_imported_first(first):
    code = f"{first}\nimport sparsetvm as st\nprint(callable(st.prune))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "True\n"


def test_the_packages_of_a_wheel_are_all_folders_with_code():
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    named = {_name(file.parent) for file in FILES}
    assert set(setuptools["packages"]) == named
    placed = {f"sparsetvm.schedules.{f.name}": f"schedules/{f.name}" for f in _schedule_folders()}
    assert setuptools["package-dir"] == placed


def _part(file: Path) -> str:
    """sparsetvm/ir/text.py -> ir; schedules/cpu/… -> schedules."""
    inner = file.relative_to(ROOT).parts
    return "schedules" if inner[0] == "schedules" else inner[1].removesuffix(".py")


def _floor(part: str) -> int:
    return next(i for i, floor in enumerate(FLOORS) if part in floor)


def _imports(file: Path):
    """(absolute module, line) of every import in the file, also those inside functions."""
    package = _name(file.parent).split(".")
    for node in _nodes(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            if node.module:
                yield module, node.lineno
            else:  # from . import text
                names = [alias.name for alias in node.names if alias.name != "__version__"]
                yield from ((f"{module}.{name}", node.lineno) for name in names)


def _nodes(tree: ast.AST):
    """Every node but those that only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from _nodes(node)


def _name(folder: Path) -> str:
    inner = folder.relative_to(ROOT).parts
    return ".".join(inner if inner[0] == "sparsetvm" else ("sparsetvm", *inner))


def _schedule_folders():
    return sorted({file.parent for file in ROOT.glob("schedules/*/*.py")})
