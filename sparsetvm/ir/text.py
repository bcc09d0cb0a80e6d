"""The layer IR as people read it: three lines a layer, then what runs dense and why."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ..sparsity import Dense, Packed
from .layer import DenseOp, Layer, LayerIR


def print_layer_ir(ir: LayerIR, measured: Mapping[str, Sequence[str]] | None = None) -> str:
    """The whole net as text; `measured` gives a layer's name further lines (times, records).

    %4 features.12: conv2d [1,256,56,56] -> [1,256,56,56]  kernel 3x3 stride 1 pad 1   then relu
       pattern(4 entries, set of 8) + connectivity 3.6x   group 8  block 32
       packed  32 groups x 8 blocks x 36 columns x 8   0.29 MB of 2.36 MB (8.0x)
       cpu     tuned 1.21 ms (dense 9.8 ms, 8.0x fewer operations, 100 % realised)     record 5f2c
    """
    sections = [_net(ir), _layers(ir, measured or {}), _dense(ir.dense_ops)]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _net(ir: LayerIR) -> list[str]:
    kept = sum(layer.parameters for layer in ir.layers)
    dense = sum(math.prod(layer.weight_shape) for layer in ir.layers)
    return [
        f"{ir.source or 'a net'} in {ir.dialect}: {len(ir.layers)} layers, "
        f"{_count(kept)} of {_count(dense)} weights stay ({dense / max(kept, 1):.1f}x)",
        *(f"in   {name} {_shape(shape)} {dtype}" for name, shape, dtype in ir.inputs),
        *(f"out  {_shape(shape)} {dtype}" for shape, dtype in ir.outputs),
    ]


def _layers(ir: LayerIR, measured: Mapping[str, Sequence[str]]) -> list[str]:
    numbers = _aligned(f"%{i}" for i in range(len(ir.layers)))
    heads = _columns(_head(layer) for layer in ir.layers)
    sparse = [layer for layer in ir.layers if not isinstance(layer.structure, Dense)]
    packed = _columns(_packed(layer.structure.pack(ir.arrays[layer.weight])) for layer in sparse)
    stored = dict(zip((layer.name for layer in sparse), packed, strict=True))
    lines = []
    for layer, number, head in zip(ir.layers, numbers, heads, strict=True):
        margin = " " * (len(number) + 1)
        below = [_structure(layer), stored[layer.name]] if layer.name in stored else [_all(layer)]
        below += measured.get(layer.name, ())
        lines += [f"{number} {head}", *(f"{margin}{line}" for line in below)]
    return lines


def _head(layer: Layer) -> tuple[str, ...]:
    then = f"   then {', '.join(layer.epilogue)}" if layer.epilogue else ""
    shapes = f" {_shape(layer.input_shape)}", f" -> {_shape(layer.output_shape)}"
    return (f"{layer.name}:", f" {layer.kind}", *shapes, _window(layer), then)


def _window(layer: Layer) -> str:
    if not layer.kernel:
        return "  backwards" if layer.reverse else ""
    dilation = f" dilation {_each(layer.dilation)}" if set(layer.dilation) != {1} else ""
    pads = [str(a) if a == b else f"{a}:{b}" for a, b in layer.padding]
    return (
        f"  kernel {'x'.join(map(str, layer.kernel))} stride {_each(layer.stride)}"
        f" pad {_each(pads)}{dilation}"
    )


def _structure(layer: Layer) -> str:
    block = f"  block {layer.structure.block}" if layer.structure.block else ""
    return f"{layer.structure}   group {layer.structure.group}{block}"


def _all(layer: Layer) -> str:
    """A dense layer, whose group the compiler chooses."""
    return f"dense   {_size(math.prod(layer.weight_shape) * 4)}"


def _packed(packed: Packed) -> tuple[str, ...]:
    groups, blocks, columns, group = packed.values.shape
    dense = math.prod(packed.shape) * packed.values.itemsize
    return (
        f"packed  {groups} groups x {blocks} blocks x {columns} columns x {group}",
        f"   {_size(packed.values.nbytes)} of {_size(dense)}"
        f" ({dense / max(packed.values.nbytes, 1):.1f}x)",
    )


def _dense(ops: Iterable[DenseOp]) -> list[str]:
    """One line for each reason, ops counted: 'depthwise  nn.conv2d x17'."""
    by_reason: dict[str, Counter[str]] = {}
    for op in ops:
        by_reason.setdefault(op.reason, Counter())[op.op] += 1
    rows = [
        (reason, "  " + ", ".join(op if n == 1 else f"{op} x{n}" for op, n in counts.items()))
        for reason, counts in by_reason.items()
    ]
    title = ["runs as TVM's dense code:"] if rows else []
    return title + [f"   {row}" for row in _columns(rows)]


def _columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows of cells, each cell as wide as the widest of its column."""
    columns = [_aligned(column) for column in zip(*rows, strict=True)]
    return ["".join(row).rstrip() for row in zip(*columns, strict=True)]


def _aligned(cells: Iterable[str]) -> list[str]:
    cells = list(cells)
    width = max(map(len, cells), default=0)
    return [cell.ljust(width) for cell in cells]


def _each(values: Sequence[object]) -> str:
    """'1' if all axes agree, else '1x2'."""
    return "x".join(map(str, values)) if len(set(values)) > 1 else str(values[0])


def _shape(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _count(number: int) -> str:
    if number < 1e3:
        return str(number)
    return f"{number / 1e6:.2f} M" if number >= 1e6 else f"{number / 1e3:.1f} k"


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
