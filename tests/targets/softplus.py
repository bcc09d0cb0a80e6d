"""A kernel that calls the C library's mathematics."""

from tvm.script import tirx as T


@T.prim_func(s_tir=True)
def softplus(x: T.Buffer((64,), "float32"), y: T.Buffer((64,), "float32")):
    T.func_attr({"tirx.noalias": True, "global_symbol": "main"})
    for i in range(64):
        with T.sblock("softplus"):
            v = T.axis.remap("S", [i])
            y[v] = T.log(T.float32(1) + T.exp(x[v]))
