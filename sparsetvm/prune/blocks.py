"""Blocks of layers that several plans prune alike, trained once for all of them (CoCo-Tune, Wootz).

A block is a run of neighbouring modules whose structures change together from plan to plan, and a
variant is what some plans make of it. A plan has one structure for each layer, so equal parts of
two plans always stand at the same place: comparing the plans place by place finds them all, and no
grammar (Sequitur in Wootz) has to look for repeats anywhere else.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ..errors import ModelError, PlanError
from ..sparsity import Dense, Plan, Structure
from .layers import find_layers, find_weights, structures_for, write_weight
from .magnitude import prune
from .masked import zeros_kept
from .refit import in_eval_mode

log = logging.getLogger(__name__)

LEARNING_RATE = 1e-3
"""Adam's."""
TINY = 1e-12
"""The variance of maps that are constant."""

Variant = tuple[Structure, ...]
"""One structure for each layer of a block."""


@dataclass(frozen=True, eq=False)
class Block:
    """Modules that run one after the other, and the variants that several plans share."""

    modules: tuple[str, ...]
    """Their dotted names; all in one nn.Sequential where they are several."""
    layers: tuple[str, ...]
    """Those among them or inside them that plans prune."""
    variants: Mapping[Variant, tuple[str, ...]]
    """With the names of the plans that share it, two or more."""

    def __str__(self) -> str:
        through = f" to {self.modules[-1]}" if len(self.modules) > 1 else ""
        return f"{self.modules[0]}{through}, {len(self.layers)} layers"


def shared_blocks(model: nn.Module, plans: Mapping[str, Plan]) -> tuple[Block, ...]:
    """The blocks of a net that at least two of the plans, given by name, prune alike."""
    if len(plans) < 2:
        raise PlanError(f"blocks are shared by two plans or more; got {len(plans)}")
    layers = find_layers(model)
    weights = find_weights(model)
    structures = {name: structures_for(weights, plan) for name, plan in plans.items()}

    def split(names: Sequence[str]) -> dict[Variant, tuple[str, ...]]:
        """The plans by what they make of these layers."""
        found: dict[Variant, tuple[str, ...]] = {}
        for plan, of_plan in structures.items():
            variant = tuple(of_plan[name] for name in names)
            found[variant] = (*found.get(variant, ()), plan)
        return found

    blocks = []
    for part in _joined(_parts(model, list(layers)), lambda names: set(split(names).values())):
        variants = {
            variant: sharing
            for variant, sharing in split(part.layers).items()
            if len(sharing) > 1 and not all(isinstance(one, Dense) for one in variant)
        }
        if variants:
            blocks.append(Block(part.modules, part.layers, variants))
    return tuple(blocks)


class Pretrained:
    """A net's shared blocks, trained; `assemble` puts them into a net for one of the plans."""

    def __init__(
        self,
        model: nn.Module,
        plans: Mapping[str, Plan],
        trained: Sequence[tuple[Block, Variant, nn.Module]],
        epochs: int,
    ):
        self.plans, self.epochs = dict(plans), epochs
        self.blocks = tuple(dict.fromkeys(block for block, _, _ in trained))
        self._model, self._trained = model, trained

    @property
    def net_epochs(self) -> float:
        """The cost, in epochs of training a whole net, counted by layers trained."""
        layers = sum(len(block.layers) for block, _, _ in self._trained)
        return self.epochs * layers / len(find_layers(self._model))

    def assemble(self, plan: str) -> nn.Module:
        """The net under this plan: trained blocks where it shares one, else zeros by magnitude."""
        net = prune(self._model, self.plans[plan])
        for block, variant, trained in self._trained:
            if plan in block.variants[variant]:
                for name, module in zip(block.modules, trained, strict=True):
                    net.get_submodule(name).load_state_dict(module.state_dict())
        return net


def pretrain(
    model: nn.Module,
    plans: Mapping[str, Plan],
    batches: Iterable[Any],
    epochs: int = 1,
    learning_rate: float = LEARNING_RATE,
    progress: Callable[[str], None] = log.info,
) -> Pretrained:
    """Train every variant that plans share to give what the dense block gives: no labels.

    A batch is the net's input, or a tuple that begins with it. One pass of the dense net records
    what goes into each block and what comes out; all variants of all blocks learn from that pass,
    by the squared difference of the activation maps, of their variance.
    """
    trained = [
        (block, variant, _variant(model, block, variant))
        for block in shared_blocks(model, plans)
        for variant in block.variants
    ]
    if not trained:
        return Pretrained(model, plans, (), 0)
    blocks = dict.fromkeys(block for block, _, _ in trained)
    every = nn.ModuleList(module for _, _, module in trained)
    optimizer = torch.optim.Adam(every.parameters(), learning_rate)
    with zeros_kept(every):
        for epoch in range(1, epochs + 1):
            losses = []
            for batch in batches:
                maps = _record(model, blocks, batch)
                optimizer.zero_grad()
                for block, _, module in trained:
                    x, wanted = maps[block.modules]
                    loss = functional.mse_loss(module(x), wanted) / wanted.var().clamp(min=TINY)
                    loss.backward()
                    losses.append(float(loss.detach()))
                optimizer.step()
            error = sum(losses) / max(len(losses), 1)
            progress(f"{len(trained)} blocks, epoch {epoch} of {epochs}: error {error:.1%}")
    return Pretrained(model, plans, trained, epochs)


@dataclass(frozen=True)
class _Part:
    """What runs by itself: a module, or several in a row of one nn.Sequential."""

    sequence: str | None
    """The nn.Sequential's name; None: outside of any."""
    modules: tuple[str, ...]
    layers: tuple[str, ...]


def _parts(model: nn.Module, layers: Sequence[str], prefix: str = "") -> Iterator[_Part]:
    """The smallest parts with layers, in order; a child without any, as an activation or a norm,
    belongs to the part before it in its sequence."""
    sequence = prefix if isinstance(model, nn.Sequential) else None
    part = None
    for child_name, child in model.named_children():
        name = f"{prefix}{child_name}"
        own = tuple(layer for layer in layers if f"{layer}.".startswith(f"{name}."))
        if part and (own or sequence is None):
            yield part
            part = None
        if len(own) > 1 and (sequence is None or isinstance(child, nn.Sequential)):
            yield from _parts(child, own, f"{name}.")
        elif own:
            part = _Part(sequence, (name,), own)
        elif part:
            part = replace(part, modules=(*part.modules, name))
    if part:
        yield part


def _joined(
    parts: Iterable[_Part], sharing: Callable[[tuple[str, ...]], set[tuple[str, ...]]]
) -> list[_Part]:
    """Neighbours become one part where they divide the plans in the same way."""
    joined: list[_Part] = []
    for part in parts:
        before = joined[-1] if joined else None
        if (
            before is not None
            and part.sequence is not None
            and before.sequence == part.sequence
            and sharing(before.layers) == sharing(part.layers)
        ):
            joined[-1] = _Part(
                part.sequence, before.modules + part.modules, before.layers + part.layers
            )
        else:
            joined.append(part)
    return joined


def _variant(model: nn.Module, block: Block, variant: Variant) -> nn.Sequential:
    """A copy of the block's modules with the variant's zeros, in training mode."""
    modules = [deepcopy(model.get_submodule(name)).train() for name in block.modules]
    copies = {
        f"{name}.{inner}".rstrip("."): layer
        for name, module in zip(block.modules, modules, strict=True)
        for inner, layer in find_layers(module).items()
    }
    for name, structure in zip(block.layers, variant, strict=True):
        weight = copies[name].weight.detach().cpu().numpy()
        write_weight(copies[name], weight * structure.mask(weight))
    return nn.Sequential(*modules)


def _record(
    model: nn.Module, blocks: Iterable[Block], batch: Any
) -> dict[tuple[str, ...], tuple[torch.Tensor, torch.Tensor]]:
    """What goes into each block of the dense net and what comes out, by the block's modules."""
    inputs: dict[str, torch.Tensor] = {}
    outputs: dict[str, torch.Tensor] = {}

    def keep_input(name: str, _module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        inputs.setdefault(name, given[0].clone())  # a module after it may work in place

    def keep_output(name: str, _module: nn.Module, _given: tuple, result: torch.Tensor) -> None:
        outputs.setdefault(name, result.clone())

    with torch.no_grad(), in_eval_mode(model), ExitStack() as hooks:
        for block in blocks:
            first, last = block.modules[0], block.modules[-1]
            for name, hook, call in (
                (first, keep_input, "register_forward_pre_hook"),
                (last, keep_output, "register_forward_hook"),
            ):
                register = getattr(model.get_submodule(name), call)
                hooks.enter_context(register(partial(hook, name)))
        model(batch[0] if isinstance(batch, tuple | list) else batch)
    for block in blocks:
        if not (block.modules[0] in inputs and block.modules[-1] in outputs):
            raise ModelError(
                f"{block.modules[0]} is not called as a module, so it cannot be trained alone\n"
                f"  leave its layers dense in the plans"
            )
    return {b.modules: (inputs[b.modules[0]], outputs[b.modules[-1]]) for b in blocks}
