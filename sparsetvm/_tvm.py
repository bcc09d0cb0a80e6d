"""The one file that asks which TVM this is; everything else takes tvm and its parts from here."""

from importlib.metadata import PackageNotFoundError, version

from .errors import TargetError

INSTALL = "pip install apache-tvm==0.27.0.post1 apache-tvm-ffi==0.1.14.post1"


def wrong_tvm(tvm: str | None, ffi: str | None) -> str | None:
    """Why these versions of TVM and apache-tvm-ffi will not do, with the next step; None when they do."""
    if tvm is None:
        return f"TVM is not installed; {INSTALL}"
    if tvm.startswith("0.19."):
        return f"TVM {tvm} speaks Relay, and this needs Relax; in an environment of its own: {INSTALL}"
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
_reason = wrong_tvm(
    _installed("apache-tvm") or _installed("xtc-tvm-python-bindings"), _installed("apache-tvm-ffi")
)
if _reason:
    raise TargetError(_reason)

import tvm as tvm  # noqa: E402  after the check: the wrong one may not even load
from tvm import relax as relax, s_tir as s_tir, te as te, tirx as tirx  # noqa: E402
from tvm.script import tirx as T  # noqa: E402, F401
