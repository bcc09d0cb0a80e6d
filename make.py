#!/usr/bin/env python3
"""The README's two commands; each first makes the environment that it needs, inside this checkout.

    python3 make.py demo [options of sparsetvm demo]
    python3 make.py test [options of pytest]

Asks for nothing but Python 3.10 or newer with pip and venv. The environments, their packages and
the tests that run in them stand in pyproject.toml: [tool.sparsetvm.environments].
"""

import sys

if sys.version_info < (3, 10):
    sys.exit("SparseTVM needs Python 3.10 or newer; this is %s" % sys.version.split()[0])

import hashlib
import os
import re
import subprocess
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, whose pip brings one along
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).resolve().parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ENVIRONMENTS = PYPROJECT["tool"]["sparsetvm"]["environments"]


def main(arguments):
    verbs = {"demo": demo, "test": test}
    if not arguments or arguments[0] not in verbs:
        sys.exit("say which: python3 make.py demo, or python3 make.py test")
    return verbs[arguments[0]](arguments[1:])


def demo(options):
    return run(make("main"), "-m", "sparsetvm", "demo", *options)


def test(options):
    """All environments' tests, each in its own; the first code that is not 0, if there is one."""
    codes = [
        run(make(name), "-m", "pytest", environment["tests"], *options)
        for name, environment in ENVIRONMENTS.items()
    ]
    return next(filter(None, codes), 0)


def run(python, *arguments):
    """The package is found by path, not installed: each checkout runs its own code."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.call([python, *arguments], cwd=ROOT, env={**os.environ, "PYTHONPATH": path})


def make(name):
    """The Python of an environment that holds what is pinned for it, made or brought up to date."""
    environment = ENVIRONMENTS[name]
    folder = ROOT / environment["folder"]
    python = folder / "bin" / "python"
    if not works(python):
        advice = "make an environment; Debian and Ubuntu have venv in the package python3-venv"
        call(advice, sys.executable, "-m", "venv", "--clear", folder)
    pinned = list(dict.fromkeys(expand(environment["requirements"])))
    bare = environment.get("bare", [])
    stamp = folder / "pins.sha256"
    digest = hashlib.sha256("\n".join([*pinned, "", *bare]).encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        said = f"installing the pinned packages in {folder}: some minutes"
        print(said, file=sys.stderr, flush=True)
        pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
        pip += [] if sys.stderr.isatty() else ["--quiet"]
        advice = "install the pinned packages; what pip says of it is above"
        call(advice, *pip, *pinned)
        if bare:
            call(advice, *pip, "--no-deps", *bare)
        stamp.write_text(digest)
    return python


def works(python):
    check = [python, "-c", "import pip"]
    return python.exists() and subprocess.call(check, stderr=subprocess.DEVNULL) == 0


def expand(requirements):
    """sparsetvm[onnx] -> what it depends on, and what its extra onnx asks for."""
    project = PYPROJECT["project"]
    for requirement in requirements:
        ours = re.fullmatch(r"sparsetvm\[(.*)\]", requirement)
        if not ours:
            yield requirement
            continue
        yield from project["dependencies"]
        for extra in ours[1].split(","):
            yield from expand(project["optional-dependencies"][extra])


def call(what, *command):
    if subprocess.call(list(map(str, command)), cwd=ROOT) != 0:
        sys.exit(f"could not {what}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
