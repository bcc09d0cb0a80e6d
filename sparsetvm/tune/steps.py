"""A net's kernels on a device, timed one by one: TVM's virtual machine tells its steps apart only
on this machine."""

import statistics
from collections.abc import Mapping

import numpy as np

from .._tvm import tirx, tvm
from ..frontends.imported import Imported
from ..ir import LayerIR
from ..passes.kernel_calls import kernel_calls
from ..runtime.build import steps_of
from ..runtime.device import COOL, Device
from ..runtime.tracker import device_errors
from ..targets.target import Target
from .task import argument_of, shapes_of

SEED = 0
"""What the activations are drawn from."""


class Steps:
    """The kernel calls of one program, as a library and the arrays that they take."""

    def __init__(self, code: Imported, ir: LayerIR, target: Target):
        self._names = [step.name for step in steps_of(code, ir)]
        self._calls, rng = [], np.random.default_rng(SEED)
        for one in kernel_calls(code):
            arguments = [
                argument_of(a, one.constants, code.arrays, rng) for a in one.call.args[1].fields
            ]
            self._calls.append((one.kernel, arguments, shapes_of(one.call.ty)))
        kernels = {
            name: function.with_attr("global_symbol", name.name_hint)
            for name, function in code.module.functions_items()
            if isinstance(function, tirx.PrimFunc)
        }
        built = tvm.compile(tvm.IRModule(kernels), target=tvm.target.Target(dict(target.tvm)))
        self._library = target.linker.library(built)

    def milliseconds(self, device: Device, repeats: int) -> Mapping[str, float]:
        """Of each layer and each other step, by name: medians, added up where it calls several."""
        ms: dict[str, float] = {}
        with device_errors(device.name):
            library = device.library(self._library)
            for name, (kernel, arguments, outputs) in zip(self._names, self._calls, strict=True):
                inputs = [device.weight(array) for array in arguments]
                results = [tvm.runtime.empty(shape, "float32", device.cpu) for shape in outputs]
                timer = library.time_evaluator(
                    kernel, device.cpu, number=1, repeat=repeats, f_preproc=COOL
                )
                seconds = statistics.median(timer(*inputs, *results).results)
                ms[name] = ms.get(name, 0.0) + 1e3 * seconds
        return ms
