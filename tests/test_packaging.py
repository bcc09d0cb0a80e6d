"""What is installed: exact pins, a wheel with everything in it, and make.py's manners."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, for setuptools leaves folders behind where it builds."""
    source = tmp_path_factory.mktemp("source")
    for name in ("sparsetvm", "schedules"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*pip, "--wheel-dir", source / "dist", source], check=True)
    (built,) = (source / "dist").iterdir()
    return built


def test_a_wheel_holds_every_file_of_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {str(path) for path in _ours("sparsetvm")} <= names
    assert {f"sparsetvm/{path}" for path in _ours("schedules")} <= names


def test_an_installed_wheel_finds_its_schedules(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        "from types import SimpleNamespace as Target\n"
        "import sparsetvm, sparsetvm.schedules as s\n"
        "print(sparsetvm.__file__, s.find('gather_gemm', Target(schedule_path=['cpu'])).target)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert run.stdout == f"{tmp_path}/sparsetvm/__init__.py cpu\n", run.stderr


def test_every_requirement_is_pinned():
    project = PYPROJECT["project"]
    required = [*project["dependencies"], *PYPROJECT["build-system"]["requires"]]
    for extra in project["optional-dependencies"].values():
        required += [one for one in extra if not one.startswith("sparsetvm[")]
    for environment in PYPROJECT["tool"]["sparsetvm"]["environments"].values():
        required += environment.get("bare", [])
    for requirement in required:
        assert re.match(r"[\w-]+==[\w.]+(;|$)", requirement), requirement


def test_versions_named_in_the_code_are_those_that_are_pinned():
    pins = {name: set() for name in re.findall(r"([\w-]+)==", str(PYPROJECT))}
    for name, version in re.findall(r"([\w-]+)==([\w.]+)", str(PYPROJECT)):
        pins[name].add(version)
    for path in _ours("sparsetvm"):
        if path.suffix == ".py":
            for name, version in re.findall(r"([\w-]+)==(\d[\w.]*)", (ROOT / path).read_text()):
                assert version in pins.get(name, {version}), f"{path} names {name}=={version}"


def test_every_environment_has_tests():
    for environment in PYPROJECT["tool"]["sparsetvm"]["environments"].values():
        assert (ROOT / environment["tests"]).is_dir()


def test_no_environment_holds_two_tvms():
    """Both are called tvm: pip would merge them into one that does not work."""
    make = _make()
    for environment in make.ENVIRONMENTS.values():
        asked = {one.split("==")[0] for one in make.expand(environment["requirements"])}
        assert len(asked & {"apache-tvm", "xtc-tvm-python-bindings"}) == 1


def test_an_extra_is_all_that_it_names():
    asked = list(_make().expand(["sparsetvm[linker,onnx]", "other==1"]))
    assert set(PYPROJECT["project"]["dependencies"]) < set(asked)
    assert {"ziglang", "onnx", "other"} <= {requirement.split("==")[0] for requirement in asked}


def test_make_reuses_an_environment_until_its_pins_change(tmp_path, monkeypatch):
    make, calls = _make(), []
    monkeypatch.setattr(make, "ROOT", tmp_path)
    monkeypatch.setattr(make, "works", lambda python: bool(calls))
    monkeypatch.setattr(make, "call", lambda _, *command: calls.append(command[1:3]))
    (tmp_path / ".venv").mkdir()
    make.make("main")
    assert calls == [("-m", "venv"), ("-m", "pip"), ("-m", "pip")]
    make.make("main")
    assert len(calls) == 3
    monkeypatch.setitem(make.ENVIRONMENTS["main"], "bare", ["other==1"])
    make.make("main")
    assert calls[3:] == [("-m", "pip"), ("-m", "pip")]


@pytest.mark.parametrize("arguments", [[], ["tset"]])
def test_make_says_what_it_can_do(arguments):
    run = subprocess.run(
        [sys.executable, ROOT / "make.py", *arguments], capture_output=True, text=True
    )
    assert run.returncode == 1
    assert run.stderr == "say which: python3 make.py demo, or python3 make.py test\n"


def _ours(folder: str) -> list[Path]:
    files = (file for file in (ROOT / folder).rglob("*") if file.is_file())
    return [file.relative_to(ROOT) for file in files if "__pycache__" not in file.parts]


def _make():
    spec = importlib.util.spec_from_file_location("make", ROOT / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
