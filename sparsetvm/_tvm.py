"""The one file that asks which TVM this is; everything else takes tvm and its parts from here."""

from importlib.metadata import PackageNotFoundError, version

from .errors import TargetError

INSTALL = "pip install apache-tvm==0.27.0.post1 apache-tvm-ffi==0.1.14.post1"


def wrong_tvm(tvm: str | None, ffi: str | None) -> str | None:
    """Why these versions of TVM and its ffi will not do, and the next step; None: they will."""
    if tvm is None:
        return f"TVM is not installed; {INSTALL}"
    if tvm.startswith("0.19."):
        return f"TVM {tvm} has Relay but not this Relax; in an environment of its own: {INSTALL}"
    if not tvm.startswith("0.27."):
        return f"TVM {tvm} is not 0.27, whose names this is written for; {INSTALL}"
    if ffi is None or not ffi.startswith("0.1.14."):
        return f"apache-tvm-ffi {ffi} crashes when a module is saved, 0.1.14 does not; {INSTALL}"
    return None


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


# the wheel that carries TVM 0.19 goes by another name
_tvm = _installed("apache-tvm") or _installed("xtc-tvm-python-bindings")
_reason = wrong_tvm(_tvm, _installed("apache-tvm-ffi"))
if _reason:
    raise TargetError(_reason)

# after the check: the wrong TVM may crash as it loads
import tvm  # noqa: E402
from tvm import relax, s_tir, te, tirx  # noqa: E402
from tvm.script.ir_builder import (  # noqa: E402
    IRBuilder,
    tirx as T,
)

__all__ = ["IRBuilder", "T", "relax", "s_tir", "te", "tirx", "tvm"]
