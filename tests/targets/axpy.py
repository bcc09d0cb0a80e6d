"""A small kernel in TVMScript, which must lie in a file."""

from tvm.script import tirx as T


@T.prim_func(s_tir=True)
def axpy(
    a: T.Buffer((4096,), "float32"),
    x: T.Buffer((4096,), "float32"),
    y: T.Buffer((4096,), "float32"),
):
    T.func_attr({"tirx.noalias": True, "global_symbol": "main"})
    for i in range(4096):
        with T.sblock("axpy"):
            v = T.axis.remap("S", [i])
            y[v] = a[v] * x[v] + T.float32(1)
