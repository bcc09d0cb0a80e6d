"""Two recurrent layers, one on the other, over a sequence: GRU (Cho et al. 2014) and LSTM."""

import torch
from torch import nn

from .initialise import initialise
from .named import Net, example_input, nets

HIDDEN = 1024
LAYERS = 2
STEPS = 50


class Recurrent(nn.Module):
    """[n, steps, features] -> [n, steps, hidden], of the last layer; the module is called `rnn`."""

    def __init__(self, rnn: nn.RNNBase):
        super().__init__()
        self.rnn = rnn

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        return self.rnn(sequence)[0]


def recurrent_net(kind: type[nn.RNNBase], steps: int = STEPS) -> Net:
    """`kind` is nn.GRU or nn.LSTM; weights and inputs are the same for any number of steps."""
    rnn = Recurrent(kind(HIDDEN, HIDDEN, LAYERS, batch_first=True))
    name = kind.__name__
    return Net(
        f"{name.lower()}{LAYERS}x{HIDDEN}",
        initialise(rnn),
        (example_input(1, steps, HIDDEN),),
        f"{LAYERS} {name} layers of {HIDDEN}, {steps} steps of {HIDDEN} numbers, random weights",
    )


@nets.register("gru2x1024")
def gru2x1024() -> Net:
    return recurrent_net(nn.GRU)


@nets.register("lstm2x1024")
def lstm2x1024() -> Net:
    return recurrent_net(nn.LSTM)
