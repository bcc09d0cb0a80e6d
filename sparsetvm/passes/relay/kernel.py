"""The TensorIR of a layer in Relay: from plain to flat, then gather-GEMM, as one function."""

from collections.abc import Sequence

from ..._tvm import as_schedule, tirx, tvm
from ...kernels.gather_gemm import GatherGemm, gather_gemm
from ...schedules import find
from ...schedules.pick import Default
from ...targets.target import Target
from .place import Place
from .to_flat import to_flat


def layer_kernel(place: Place, shape: GatherGemm, structure: str) -> tirx.PrimFunc:
    """The unscheduled PrimFunc of (x, values, offset, row, bias, mask, y)

        x_flat = x, with margins
        y = gather_gemm(x_flat, values, offset, row, bias, mask)

    x is the plain input as one row; the others are as in kernels/gather_gemm.py. The block says
    what it computes: T.block_attr({"sparsity": {"kind": "gather_gemm", ...}, "structure": ...}).
    """
    convert = to_flat(place)
    compute = gather_gemm(shape)
    x, _ = _buffers(convert)
    x_flat, *others, y = _buffers(compute)
    body = _root(with_buffers(convert, [x, x_flat])).body
    convert = _block("to_flat", body, [x], [x_flat])
    root = _root(compute.body)
    # a scope of its own: who reads y outside cannot know that all of it is written
    run = _block("layer", root.body, [x_flat, *others], [y], root.alloc_buffers)
    params = [tirx.Var(buffer.name, "handle") for buffer in (x, *others, y)]
    joined = tirx.PrimFunc(
        params,
        _block("root", tirx.SeqStmt([convert, run]), alloc=[x_flat]),
        buffer_map=dict(zip(params, (x, *others, y), strict=True)),
        attrs=compute.attrs,
    )
    sch = tirx.Schedule(joined)
    sch.annotate(sch.get_block(shape.kind), "structure", structure)
    return sch.mod["main"].without_attr("global_symbol")


def by_default(kernel: tirx.PrimFunc, kind: str, target: Target) -> tirx.PrimFunc:
    """The kernel with its default schedule, as loops without blocks, for TE takes no blocks."""
    sch = tirx.Schedule(kernel)
    find(kind, target)(as_schedule(sch), Default(target))
    return _WITHOUT_BLOCKS(sch.mod)["main"]


def with_buffers(function: tirx.PrimFunc, buffers: Sequence[tirx.Buffer]) -> tirx.Stmt:
    """The body of `function` on other buffers than its parameters'."""
    new = dict(zip(_buffers(function), buffers, strict=True))

    def replace(node: tirx.BufferLoad | tirx.BufferStore | tirx.Block) -> object:
        if isinstance(node, tirx.Block):
            return tirx.Block(
                node.iter_vars,
                [tirx.BufferRegion(new.get(r.buffer, r.buffer), r.region) for r in node.reads],
                [tirx.BufferRegion(new.get(w.buffer, w.buffer), w.region) for w in node.writes],
                node.name_hint,
                node.body,
                node.init,
                node.alloc_buffers,
                node.match_buffers,
                node.annotations,
            )
        buffer = new.get(node.buffer, node.buffer)
        if isinstance(node, tirx.BufferLoad):
            return tirx.BufferLoad(buffer, node.indices)
        return tirx.BufferStore(buffer, node.value, node.indices)

    kinds = ["tir.BufferLoad", "tir.BufferStore", "tir.Block"]
    return tirx.stmt_functor.ir_transform(function.body, None, replace, kinds)


def without_wrappers(function: tirx.PrimFunc, mark: str) -> tirx.PrimFunc | None:
    """`function`, what TE wrote of a graph with kernels in it: each kernel stands in a block
    annotated with `mark`, and comes out of it. None: there is no kernel in it.

    with T.block("gather_gemm"):                        # mark
        with T.block("root"):                           x_flat = T.alloc_buffer(...)
            x_flat = T.alloc_buffer(...)        -->     for ...: ...
            for ...: ...
    """
    outer = _root(function.body)
    inside: list[tirx.Buffer] = []

    def unwrap(realize: tirx.BlockRealize) -> tirx.Stmt | None:
        if mark not in realize.block.annotations:
            return None
        inner = _root(realize.block.body)
        inside.extend(inner.alloc_buffers)
        return inner.body

    body = tirx.stmt_functor.ir_transform(outer.body, None, unwrap, ["tir.BlockRealize"])
    if not inside:
        return None
    return function.with_body(_block("root", body, alloc=[*outer.alloc_buffers, *inside]))


_WITHOUT_BLOCKS = tvm.transform.Sequential(
    [
        tirx.transform.LowerInitBlock(),
        tirx.transform.PlanAndUpdateBufferAllocationLocation(),
        tirx.transform.ConvertBlocksToOpaque(),
        tirx.transform.CompactBufferAllocation(),
        tirx.transform.LowerMatchBuffer(),
        tirx.transform.LowerOpaqueBlock(),
    ]
)


def _buffers(function: tirx.PrimFunc) -> list[tirx.Buffer]:
    return [function.buffer_map[param] for param in function.params]


def _root(body: tirx.BlockRealize) -> tirx.Block:
    return body.block


def _block(
    name: str,
    body: tirx.Stmt,
    reads: Sequence[tirx.Buffer] = (),
    writes: Sequence[tirx.Buffer] = (),
    alloc: Sequence[tirx.Buffer] = (),
) -> tirx.BlockRealize:
    """A block without axes that reads and writes whole buffers."""
    block = tirx.Block([], _whole(reads), _whole(writes), name, body, alloc_buffers=list(alloc))
    return tirx.BlockRealize([], True, block)


def _whole(buffers: Sequence[tirx.Buffer]) -> list[tirx.BufferRegion]:
    return [
        tirx.BufferRegion(buffer, [tvm.ir.Range(0, n) for n in buffer.shape]) for buffer in buffers
    ]
