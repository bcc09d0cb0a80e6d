"""A kernel of one loop whose space is the ways to split it."""

from sparsetvm._tvm import s_tir, te, tvm
from sparsetvm.tune.record import Place, Record, Session, TaskTimes

ms = s_tir.meta_schedule

TARGET = tvm.target.Target({"kind": "llvm", "mcpu": "znver5", "num-cores": 2})
PLACE = Place("cpu znver5", 2, "0.27")


def module(n=64, name="A"):
    """y[i] = x[i] + 1, with n elements; `name` is what the input is called."""
    x = te.placeholder((n,), "float32", name)
    y = te.compute((n,), lambda i: x[i] + 1.0, "B")
    return tvm.IRModule({"main": te.create_prim_func([x, y])})


def trace(mod, inner):
    """Split the loop so that `inner` steps are innermost."""
    sch = s_tir.Schedule(mod)
    (loop,) = sch.get_loops(sch.get_sblock("B"))
    outer = int(sch.get(loop).extent) // inner
    sch.split(loop, sch.sample_perfect_tile(loop, 2, 64, decision=[outer, inner]))
    sch.sample_categorical([1, 2], [0.25, 0.75], decision=1)
    return sch.trace


def candidate(workload, inner, seconds):
    """A TuningRecord; `seconds` are its runs, None for one that was not run."""
    args = ms.arg_info.ArgInfo.from_entry_func(workload.mod, True)
    return ms.database.TuningRecord(trace(workload.mod, inner), workload, seconds, TARGET, args)


def plain_record(workload, number, state="measured", seconds=(1e-3,), place=PLACE) -> Record:
    """A Record that needs no TVM; its trace is known by its number."""
    return Record(workload, place, f"[[],[[0,{number}]]]", tuple(seconds), "{}", "[]", state)


def session(*tasks: TaskTimes, net="tiny", plan="dense", place=PLACE) -> Session:
    versions = {"sparsetvm": "0.1.0", "tvm": "0.27.0.post1"}
    return Session(net, plan, place, 7, 64, "2026-11-23T07:19:08Z", versions, tasks)
