"""The LayerIR of a program, and of a graph that another TVM's side exported."""

from glob import escape

from .._tvm import tvm
from ..frontends.imported import Imported
from ..frontends.neutral import from_neutral
from ..ir.layer import LayerIR
from ..ir.neutral import DIALECT, Graph
from ..ir.verify import verify
from ..sparsity.plan import Plan, Rule
from .block import Block
from .mark import layers_of
from .pipeline import to_layers


def layer_ir(program: Imported, plan: Plan) -> LayerIR:
    """The record of a program that `to_layers` has marked; its layers follow `plan`."""
    layers, dense_ops = layers_of(program, plan)
    plan.check_matches(layer.name for layer in layers)
    ir = LayerIR(
        layers=layers,
        dense_ops=dense_ops,
        arrays={name: program.arrays[name] for name in program.parameters},
        graph=tvm.ir.save_json(program.module),
        inputs=program.inputs,
        outputs=_outputs(program),
        source=program.source,
    )
    verify(ir)
    return ir


def in_relax(ir: LayerIR) -> LayerIR:
    """The same net with a Relax graph, whose layers have their epilogues; `ir` if it has one."""
    if ir.dialect != DIALECT:
        return ir
    program = from_neutral(Graph.from_json(ir.graph), ir.arrays, ir.inputs, ir.source)
    rules = (Rule(layer.structure, match=escape(layer.name)) for layer in ir.layers)
    return layer_ir(to_layers(program), Plan(tuple(rules)))


def _outputs(program: Imported) -> tuple[tuple[tuple[int, ...], str], ...]:
    """(shape, dtype) of each output."""
    result = Block.of(program.module).result.ty
    tensors = result.fields if hasattr(result, "fields") else [result]
    return tuple((tuple(int(n) for n in ty.shape), str(ty.dtype)) for ty in tensors)
