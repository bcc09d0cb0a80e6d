"""Make every kernel fast: the schedule of its target, then the margins that it does not write."""

from collections.abc import Callable

import tvm_ffi

from .._tvm import s_tir, tirx
from ..kernels.frame import Frame
from ..kernels.margins import MARGINS, Margins
from ..kernels.on_threads import on_threads
from ..kernels.prefetch import with_prefetch
from ..schedules import find
from ..schedules.pick import Default
from ..targets.target import Target

TraceOf = Callable[[tirx.PrimFunc], "tuple[s_tir.schedule.Trace, str] | None"]
"""A kernel's tuned schedule and the name of its record; None: it has the default schedule."""

KERNEL = "sparsetvm.kernel"
"""The attribute of a kernel that has to be scheduled: which rule does it."""
RECORD = "sparsetvm.record"
"""The tuning record behind a scheduled kernel."""


def schedule(module, target: Target, trace_of: TraceOf):
    """Unscheduled kernels, known by an attribute, become scheduled ones: as tuned, or by default.

    for g, b, s, n, k in T.grid(...): with T.sblock("gather_gemm"): ...
    -->
    for tile_group in T.parallel(...): for column: unrolled filters x vectors x lanes
    """
    scheduled = {}
    for name, function in module.functions_items():
        if isinstance(function, tirx.PrimFunc):
            if KERNEL in function.attrs:
                function = _scheduled(function, target, trace_of(function))
            scheduled[name] = _shared_out(function, target)
    for name, function in scheduled.items():
        module.update_func(name, function)
    return module


def _scheduled(function, target: Target, tuned):
    sch = s_tir.Schedule(function)
    if tuned is None:
        find(str(function.attrs[KERNEL]), target)(sch, Default(target))
    else:
        tuned[0].apply_to_schedule(sch, remove_postproc=False)
    done = sch.mod["main"]
    if MARGINS in function.attrs:
        done = finished(done, Margins.of(function), target)
    for attr in (KERNEL, "global_symbol"):  # a schedule's module calls it "main"
        done = done.without_attr(attr)
    if tuned is not None:
        done = done.with_attr(RECORD, tuned[1])
    return done.with_attr("tirx.is_scheduled", True)


def _shared_out(function, target: Target):
    """A scheduled function on the threads of the target."""
    if not target.is_gpu:
        return shared_among(function, target.threads)
    return on_threads(function, target.lanes, target.group)


def finished(function, margins: Margins, target: Target):
    """A scheduled kernel with what schedules cannot say: it fetches x ahead, and writes margins."""
    if type(margins.frame) is Frame:
        function = with_prefetch(function, margins.frame, target.l2)
    return margins.written_by(function)


def shared_among(function, threads: int):
    """The same function, whose parallel loops have one turn for each thread.

        for i in T.parallel(n): body
        -->
        for thread in T.parallel(threads):
            for i in range(thread * share, min((thread + 1) * share, n)): body

    TVM allocates what a parallel loop's body needs anew in each turn, at 0.1 us, and a parallel
    loop costs 14 us even when it has nobody to share with: one thread has a serial loop.
    """

    def share(loop):
        if loop.kind != tirx.ForKind.PARALLEL:
            return loop
        if threads == 1:
            return tirx.For(loop.loop_var, loop.min, loop.extent, tirx.ForKind.SERIAL, loop.body)
        extent = int(loop.extent)
        each = -(-extent // threads)
        thread = tirx.Var("thread", "int32")
        count = each if extent % threads == 0 else tirx.min(each, extent - thread * each)
        turn = tirx.For(loop.loop_var, thread * each, count, tirx.ForKind.SERIAL, loop.body)
        return tirx.For(
            thread, 0, threads, tirx.ForKind.PARALLEL, turn, annotations=loop.annotations
        )

    return function.with_body(
        tvm_ffi.structural_map(function.body, (tirx.For, share), order="post")
    )
