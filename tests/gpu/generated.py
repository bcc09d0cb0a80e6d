"""What TVM generates for a GPU: a net's calls, the source of its kernels, how each is launched."""

from dataclasses import dataclass
from math import prod

import numpy as np
import tvm_ffi

from sparsetvm._tvm import relax, tirx, tvm
from sparsetvm.frontends.imported import Imported
from sparsetvm.targets.target import Target

AXES = ("blockIdx.x", "blockIdx.y", "blockIdx.z", "threadIdx.x", "threadIdx.y", "threadIdx.z")


@dataclass(frozen=True)
class Launch:
    """One kernel on a grid of blocks of threads; `arguments` are parameters of the function that
    launches it, by number."""

    kernel: str
    arguments: tuple[int, ...]
    blocks: tuple[int, int, int]
    threads: tuple[int, int, int]


@dataclass(frozen=True)
class Generated:
    """main       its calls of functions, in order
    source     all kernels, in OpenCL C or CUDA C++
    launches   what each function launches
    """

    main: relax.Function
    source: str
    launches: dict[str, tuple[Launch, ...]]


def generate(code: Imported, target: Target) -> Generated:
    """Compile a program of kernels as build does, and watch."""
    seen = _Watch()
    with tvm.transform.PassContext(instruments=[seen]):
        executable = tvm.compile(code.module, tvm.target.Target(dict(target.tvm)))
    (host,) = executable.mod.imports
    (device,) = host.imports
    launches = {
        str(function.attrs["global_symbol"]): _launches(function)
        for _, function in seen.after["tirx.SplitHostDevice"].functions_items()
        if "tirx.kernel_launch_params" not in function.attrs
    }
    return Generated(seen.after["ApplyDefaultSchedule"]["main"], device.inspect_source(), launches)


@tvm.ir.instrument.pass_instrument
class _Watch:
    """The module after each pass, by the pass's name."""

    def __init__(self):
        self.after: dict[str, tvm.IRModule] = {}

    def run_after_pass(self, module, info):
        self.after[info.name] = module


def _launches(function) -> tuple[Launch, ...]:
    """The kernels that a host function launches, one after the other."""
    owner = {var: number for number, var in enumerate(function.params)}
    found = []

    def alias(statement):
        owner[statement.buffer] = owner[statement.data.args[0]]

    def launch(call):
        if call.op.same_as(tvm.ir.Op.get("tirx.call_ffi_kernel")):
            name, *rest = call.args
            tags = [str(tag) for tag in call.attrs.launch_params]
            extents = dict(zip(tags, map(int, rest[-len(tags) :]), strict=True))
            counts = tuple(extents.get(axis, 1) for axis in AXES)
            data = tuple(owner[buffer.args[0]] for buffer in rest[: -len(tags)])
            found.append(Launch(str(name.value), data, counts[:3], counts[3:]))

    callbacks = [(tirx.DeclBuffer, alias), (tvm.ir.Call, launch)]
    tvm_ffi.structural_walk(function.body, callbacks, order="pre")
    return tuple(found)


def run(generated: Generated, launch, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The net's outputs; `launch(launch, arrays)` runs one kernel on arrays in place."""
    values = dict(zip(generated.main.params, inputs, strict=True))
    for block in generated.main.body.blocks:
        for binding in block.bindings:
            values[binding.var] = _value(binding.value, values, generated, launch)
    result = values[generated.main.body.body]
    return result if isinstance(result, list) else [result]


def _value(expr, values: dict, generated: Generated, launch):
    if isinstance(expr, relax.Tuple):
        return [values[field] for field in expr.fields]
    if isinstance(expr, relax.Var):
        return values[expr]
    assert expr.op.same_as(tvm.ir.Op.get("relax.call_tir")), expr
    function, arguments = expr.args[0].name_hint, [values[one] for one in expr.args[1].fields]
    (ty,) = expr.ty_args
    y = np.full([int(n) for n in ty.shape], np.nan, str(ty.dtype))  # what lay there before
    for one in generated.launches[function]:
        launch(one, [[*arguments, y][number] for number in one.arguments])
    return y


def work(launch: Launch) -> int:
    """Threads of a launch, all blocks together."""
    return prod(launch.blocks) * prod(launch.threads)
