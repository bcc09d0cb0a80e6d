"""What an emulated 64-bit ARM device runs in: qemu, Debian's Python and TVM's wheels, made once."""

import hashlib
import logging
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import platformdirs

from ..errors import DeviceError
from ..files import write_whole

log = logging.getLogger(__name__)

ARM_PACKAGES = ("python3", "libstdc++6")
HOST_PACKAGES = ("qemu-user-static",)
"""From the sources of this machine's own Debian, for ARM and for this machine."""
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

    Nothing is installed into this system, and root is not needed; 205 MB. DeviceError says why it
    cannot be made.
    """
    wheels = tuple(f"{name}=={version(name)}" for name in WHEELS)
    made_of = hashlib.sha256("\n".join([*ARM_PACKAGES, *wheels, _PYTHON]).encode()).hexdigest()
    folder = Path(platformdirs.user_cache_dir("sparsetvm")) / f"arm64-{made_of[:12]}"
    if not folder.exists():
        log.info("making a 64-bit ARM machine in %s", folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder, lambda new: _make(new, wheels), overwrite=True)
    return folder / "python"


def _make(folder: Path, wheels: tuple[str, ...]) -> None:
    root, host, script = folder / "root", folder / "host", folder / "python"
    _debian("arm64", ARM_PACKAGES, root)
    if not (root / "lib").exists():
        (root / "lib").symlink_to("usr/lib")  # as Debian's installer does since 13
    _debian(_run("dpkg", "--print-architecture").strip(), HOST_PACKAGES, host)
    (host / "usr/bin/qemu-aarch64-static").resolve().rename(folder / "qemu")
    shutil.rmtree(host)  # qemu for twenty other architectures
    _pip(folder / "site", wheels, python=(root / "usr/bin/python3").readlink().name)
    for compiler in folder.glob("site/tvm/lib/libtvm_compiler*"):
        compiler.unlink()  # 240 MB; a server runs what was compiled elsewhere
    script.write_text(_PYTHON)
    script.chmod(0o755)
    _run(str(script), "-c", "import tvm")  # it works, and is compiled to bytecode


def _debian(architecture: str, packages: tuple[str, ...], folder: Path) -> None:
    """Unpack Debian's packages and all they need, found by an apt of our own."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="sparsetvm-") as state:
        apt = _apt(architecture, Path(state))
        _run(*apt, "update")
        _run(*apt, "install", "--yes", "--download-only", *packages)
        for package in sorted(Path(state).glob("archives/*.deb")):
            _run("dpkg-deb", "--extract", str(package), str(folder))


def _apt(architecture: str, folder: Path) -> list[str]:
    """An apt-get that knows this machine's sources, and of nothing that is installed."""
    for inner in ("lists", "archives"):
        (folder / inner / "partial").mkdir(parents=True)
    (folder / "status").touch()
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Acquire::http::Timeout": "30",
        "Acquire::https::Timeout": "30",
        "Debug::NoLocking": "true",
        "Dir::Cache": folder,
        "Dir::State": folder,
        "Dir::State::status": folder / "status",
    }
    return ["apt-get", "--quiet", *(f"-o{name}={value}" for name, value in settings.items())]


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
