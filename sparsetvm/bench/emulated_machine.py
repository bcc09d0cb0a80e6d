"""What an emulated 64-bit ARM device runs in: qemu, Debian's Python and TVM's wheels, made once."""

import hashlib
import logging
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import platformdirs

from ..errors import DeviceError
from ..files import write_whole

log = logging.getLogger(__name__)

DEBIAN = ("python3", "libstdc++6", "qemu-user-static:{host}")
"""From the sources of this machine's own Debian; {host} is its architecture."""
WHEELS = (
    *("apache-tvm", "apache-tvm-ffi", "numpy", "ml_dtypes", "typing_extensions"),
    *("cloudpickle", "psutil", "tornado"),
)
"""What TVM's RPC server imports, in the versions that are installed here."""
PLATFORMS = ("manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in range(17, 29)))
LIMIT = 300.0
"""Seconds that each step may take; all of them take 20 where the network is fast."""

_PYTHON = """\
#!/bin/sh
# Python for 64-bit ARM. What it starts as sys.executable is this script again.
here=$(dirname "$(realpath "$0")")
export PYTHONPATH="$here/site" TVM_USE_RUNTIME_LIB=1 OPENBLAS_NUM_THREADS=1
exec "$here/qemu" -L "$here/root" -0 "$here/python" "$here/root/usr/bin/python3" "$@"
"""


def arm_python() -> Path:
    """A Python for 64-bit ARM that runs here and has TVM; made in the user's cache, if need be.

    Nothing is installed into this system, and root is not needed; 250 MB. DeviceError says why it
    cannot be made.
    """
    wheels = tuple(f"{name}=={version(name)}" for name in WHEELS)
    made_of = hashlib.sha256("\n".join([*DEBIAN, *wheels, _PYTHON]).encode()).hexdigest()
    folder = Path(platformdirs.user_cache_dir("sparsetvm")) / f"arm64-{made_of[:12]}"
    if not folder.exists():
        log.info("making a 64-bit ARM machine in %s", folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder, lambda new: _make(new, wheels), overwrite=True)
    return folder / "python"


def _make(folder: Path, wheels: tuple[str, ...]) -> None:
    root, script = folder / "root", folder / "python"
    root.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="sparsetvm-") as packages:
        for package in _debian(Path(packages)):
            _run("dpkg-deb", "--extract", str(package), str(root))
    programs = root / "usr/bin"
    (programs / "qemu-aarch64-static").rename(folder / "qemu")
    for other in programs.glob("qemu-*"):
        other.unlink()
    _pip(folder / "site", wheels, python=(programs / "python3").readlink().name)
    for compiler in folder.glob("site/tvm/lib/libtvm_compiler*"):
        compiler.unlink()  # 240 MB; a server runs what was compiled elsewhere
    script.write_text(_PYTHON)
    script.chmod(0o755)
    _run(str(script), "-c", "import tvm")  # it works, and is compiled to bytecode


def _debian(folder: Path) -> list[Path]:
    """Debian's packages and what they need, by an apt of our own that knows nothing installed."""
    host = _run("dpkg", "--print-architecture").strip()
    for inner in ("state/lists/partial", "cache/archives/partial"):
        (folder / inner).mkdir(parents=True)
    (folder / "status").touch()
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": f"arm64,{host}",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Acquire::http::Timeout": "30",
        "Acquire::https::Timeout": "30",
        "Debug::NoLocking": "true",
        "Dir::Cache": folder / "cache",
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
    }
    apt = ["apt-get", "--quiet", *(f"-o{name}={value}" for name, value in settings.items())]
    _run(*apt, "update")
    _run(*apt, "install", "--yes", "--download-only", *(p.format(host=host) for p in DEBIAN))
    return sorted(folder.glob("cache/archives/*.deb"))


def _pip(folder: Path, wheels: tuple[str, ...], python: str) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    fitting = ["--no-deps", "--only-binary=:all:", "--implementation=cp", "--no-compile"]
    fitting += [f"--python-version={re.sub('^python', '', python)}"]
    fitting += [f"--platform={platform}" for platform in PLATFORMS]
    _run(*pip, *fitting, f"--target={folder}", *wheels)


def _run(*command: str) -> str:
    """What it says; DeviceError with its last words where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True)
        return done.stdout
    except FileNotFoundError:
        why = "it is not here"
    except subprocess.TimeoutExpired:
        why = f"no end in {LIMIT:.0f} s"
    except subprocess.CalledProcessError as err:
        why = (err.stderr.strip() or f"exit code {err.returncode}").splitlines()[-1]
    raise DeviceError(
        f"a 64-bit ARM device cannot be emulated here: {Path(command[0]).name}: {why}\n"
        f"  it takes Debian and the network; or use a real device"
    )
