"""Small Relay graphs, and how they are run."""

from collections.abc import Mapping

import numpy as np
import torch
import tvm
from torch import nn
from tvm import relay
from tvm.contrib import graph_executor

from sparsetvm.targets.cpu import host

TARGET = tvm.target.Target({**host(), "num-cores": 1})


def from_torch(net: nn.Module, x: torch.Tensor) -> tuple[tvm.IRModule, dict]:
    """The module and its params, as a user gets them; weights keep torch's names."""
    traced = torch.jit.trace(net, x)
    inputs = [("x", tuple(x.shape))]
    return relay.frontend.from_pytorch(traced, inputs, preserve_pytorch_scopes=True)


def run(library, x: np.ndarray) -> np.ndarray:
    executor = graph_executor.GraphModule(library["default"](tvm.cpu()))
    executor.set_input("x", x)
    executor.run()
    return executor.get_output(0).numpy()


def build(module: tvm.IRModule, params: Mapping | None = None):
    with tvm.transform.PassContext(opt_level=3):
        return relay.build(module, TARGET, params=dict(params or {}))


def relative_error(y: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(y - truth).max() / np.abs(truth).max())


def conv(x: relay.Expr, weight: np.ndarray, name: str = "conv", **attrs) -> relay.Call:
    """conv2d with a constant weight, called `name` by its span."""
    attrs = {"padding": (1, 1), "kernel_size": weight.shape[2:], "channels": len(weight)} | attrs
    call = relay.nn.conv2d(x, relay.const(weight), **attrs)
    return relay.Call(call.op, call.args, call.attrs, span=_span(name))


def dense(x: relay.Expr, weight: np.ndarray, name: str = "fc") -> relay.Call:
    call = relay.nn.dense(x, relay.const(weight))
    return relay.Call(call.op, call.args, call.attrs, span=_span(name))


def module_of(*inputs: relay.Var, body: relay.Expr) -> tvm.IRModule:
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function(list(inputs), body)))


def _span(name: str) -> tvm.ir.Span:
    return tvm.ir.Span(tvm.ir.SourceName(name), 0, 0, 0, 0)
