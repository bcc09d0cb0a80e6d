"""Object files become a library: by the C compiler for the device, else by the ziglang wheel."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ..errors import TargetError

if TYPE_CHECKING:
    import tvm


@dataclass(frozen=True)
class Linker:
    """Called by TVM's export_library as its `fcompile`.

    `needed` are libraries that the device loads with ours and that are not at hand here: they stand
    in it by name only.
    """

    command: tuple[str, ...]
    needed: tuple[str, ...] = ()
    output_format: ClassVar[str] = "so"

    def __call__(
        self, output: str, objects: Sequence[str], options: Sequence[str] | None = None
    ) -> None:
        with tempfile.TemporaryDirectory(prefix="sparsetvm-") as folder:
            named = [self._empty_library(name, Path(folder)) for name in self.needed]
            self._run("-o", output, *objects, *named, *(options or ()))

    def library(self, built: "tvm.runtime.Executable") -> bytes:
        """What TVM compiled, as the bytes of a shared library."""
        with tempfile.TemporaryDirectory(prefix="sparsetvm-") as folder:
            path = Path(folder) / "library.so"
            built.export_library(str(path), fcompile=self)
            return path.read_bytes()

    def _empty_library(self, name: str, folder: Path) -> str:
        nothing = folder / "nothing.ld"
        nothing.touch()
        self._run("-soname", name, "-o", str(folder / name), str(nothing))
        return str(folder / name)

    def _run(self, *arguments: str) -> None:
        command = [*self.command, *arguments]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            said = run.stderr.strip() or f"exit code {run.returncode}"
            raise TargetError(f"{shlex.join(self.command)} could not link the library: {said}")


def host_linker() -> Linker:
    """$CC, cc, gcc or clang, else ziglang; libraries for this machine."""
    if compiler := os.environ.get("CC"):
        return Linker((*shlex.split(compiler), "-shared"))
    for compiler in ("cc", "gcc", "clang"):
        if found := shutil.which(compiler):
            return Linker((found, "-shared"))
    # No libc is named: what a kernel calls of it (expf, memcpy) is in the process that loads it.
    # `zig cc` would name it, after building libc's stubs for 15 s on its first call.
    if sys.platform == "linux" and _has_zig():
        return Linker((*_ZIG, "-shared"))
    raise TargetError(
        f"nothing here can link a library: neither cc, gcc nor clang is on PATH\n"
        f"  install one of them, or {_GET_ZIG}"
    )


def arm64_linker() -> Linker:
    """aarch64-linux-gnu-gcc, else ziglang; libraries for Linux on 64-bit ARM."""
    if found := shutil.which("aarch64-linux-gnu-gcc"):
        return Linker((found, "-shared"))
    if _has_zig():
        return Linker((*_ZIG, "-m", "aarch64linux", "-shared"))
    raise TargetError(
        f"nothing here can link a library for 64-bit ARM: aarch64-linux-gnu-gcc is not on PATH\n"
        f"  install it, or {_GET_ZIG}"
    )


def android_linker() -> Linker:
    """The NDK's clang where ANDROID_NDK_HOME says that there is one, else ziglang."""
    if ndk := os.environ.get("ANDROID_NDK_HOME"):
        name = f"toolchains/llvm/prebuilt/*/bin/aarch64-linux-android{ANDROID_API}-clang"
        compilers = sorted(Path(ndk).glob(name))
        if not compilers:
            raise TargetError(
                f"ANDROID_NDK_HOME is {ndk}, where there is no {name}\n"
                f"  set it to the folder of an NDK, r23 or newer, or unset it and {_GET_ZIG}"
            )
        return Linker((str(compilers[0]), "-shared", _LARGE_PAGES))
    if _has_zig():
        command = (*_ZIG, "-m", "aarch64linux", "-shared", "--no-as-needed", "-z", _PAGES)
        return Linker(command, needed=("libm.so", "libc.so"))
    raise TargetError(
        f"nothing here can link a library for Android\n"
        f"  set ANDROID_NDK_HOME to the folder of an NDK, or {_GET_ZIG}"
    )


ANDROID_API = 24
"""Android 7.0: the oldest that the NDK's compiler is asked to link for."""

_PAGES = "max-page-size=16384"  # what newer phones map; older ones take it too
_LARGE_PAGES = f"-Wl,-z,{_PAGES}"
_ZIG = (sys.executable, "-m", "ziglang", "ld.lld")
_GET_ZIG = 'install the linker in a wheel: pip install "sparsetvm[linker]"'


def _has_zig() -> bool:
    return importlib.util.find_spec("ziglang") is not None
