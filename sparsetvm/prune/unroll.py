"""A GRU or an LSTM, layer by layer, as two matrices: one reads the inputs, one the last state."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

UNROLLED = (nn.GRU, nn.LSTM)


@dataclass(frozen=True)
class Direction:
    """One direction of one layer on a sequence; steps in the order in which they run."""

    module: nn.RNNBase
    ending: str
    """Of its parameters' names: _l0, _l1_reverse."""
    inputs: torch.Tensor
    """[steps, batch, features]"""
    state: tuple[torch.Tensor, ...]
    """h, and c of an LSTM, before the first step: [1, batch, hidden]."""

    def parameters(self, side: str) -> tuple[nn.Parameter, nn.Parameter | None]:
        """The weight and the bias that act on the inputs ("ih") or on the last state ("hh")."""
        weight = getattr(self.module, f"weight_{side}{self.ending}")
        return weight, getattr(self.module, f"bias_{side}{self.ending}", None)

    def outputs(self) -> torch.Tensor:
        """h after each step, [steps, batch, hidden], by the weights as they are now."""
        module = self.module
        layer = type(module)(self.inputs.shape[-1], module.hidden_size, bias=module.bias)
        for side in ("ih", "hh"):
            weight, bias = self.parameters(side)
            setattr(layer, f"weight_{side}_l0", weight)
            if bias is not None:
                setattr(layer, f"bias_{side}_l0", bias)
        state = self.state if isinstance(module, nn.LSTM) else self.state[0]
        return layer(self.inputs, state)[0]

    def last_states(self) -> torch.Tensor:
        """h before each step, [steps, batch, hidden]."""
        return torch.cat([self.state[0], self.outputs()[:-1]])


def directions(
    module: nn.RNNBase,
    inputs: torch.Tensor,
    state: torch.Tensor | tuple[torch.Tensor, ...] | None = None,
) -> Iterator[Direction]:
    """Those of a module called with (inputs, state), in the order of the run.

    Weights may change as they come: each layer reads what those before it give by then.
    """
    x = inputs.unsqueeze(1) if inputs.ndim == 2 else inputs
    x = x.transpose(0, 1) if module.batch_first and inputs.ndim == 3 else x
    both = 2 if module.bidirectional else 1
    states = _states(module, state, x.shape[1], both * module.num_layers)
    for layer in range(module.num_layers):
        outputs = []
        for direction in range(both):
            index = layer * both + direction
            here = Direction(
                module,
                f"_l{layer}" + ("_reverse" if direction else ""),
                x.flip(0) if direction else x,
                tuple(one[index : index + 1] for one in states),
            )
            yield here
            y = here.outputs()
            outputs.append(y.flip(0) if direction else y)
        x = torch.cat(outputs, dim=-1)


def _states(module: nn.RNNBase, state, batch: int, count: int) -> tuple[torch.Tensor, ...]:
    """h and c of every layer and direction, [count, batch, hidden]."""
    if state is None:
        zeros = torch.zeros(count, batch, module.hidden_size)
        return (zeros, zeros) if isinstance(module, nn.LSTM) else (zeros,)
    states = state if isinstance(state, tuple) else (state,)
    return tuple(one.reshape(count, batch, -1) for one in states)
