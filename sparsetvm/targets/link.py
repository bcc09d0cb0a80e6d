"""Object files become a library: by the C compiler that is there, else by the ziglang wheel."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..errors import TargetError


@dataclass(frozen=True)
class Linker:
    """Called by TVM's export_library as its `fcompile`."""

    command: tuple[str, ...]
    output_format: ClassVar[str] = "so"

    def __call__(
        self, output: str, objects: Sequence[str], options: Sequence[str] | None = None
    ) -> None:
        command = [*self.command, "-o", output, *objects, *(options or ())]
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
    if sys.platform == "linux" and importlib.util.find_spec("ziglang"):
        return Linker((sys.executable, "-m", "ziglang", "ld.lld", "-shared"))
    raise TargetError(
        "nothing here can link a library: neither cc, gcc nor clang is on PATH\n"
        '  install one of them, or the linker in a wheel: pip install "sparsetvm[linker]"'
    )
