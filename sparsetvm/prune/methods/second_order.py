"""Second order: zeros where they cost least in a layer's outputs, and the rest fitted to these.

What `prune(model, plan, refit_on=samples)` does, inside the user's own model; masked retraining
goes on from there.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from ...sparsity import Structure, share_patterns
from ..layers import Weight, read_weights
from ..processes import is_first, take_from_first
from ..projection import project
from ..refit import Samples, fit_layers
from .method import Masks, Method, methods


@methods.register("secondorder")
class SecondOrder(Method):
    """ADMM on each layer's Gram matrix, then least squares; `samples` are some of the net's inputs.

    What is not fitted (recurrent weights) gets its zeros by magnitude.
    """

    def __init__(self, samples: Samples, seed: int = 0):
        self.steps = 0
        self._samples, self._seed = samples, seed
        self._errors: dict[str, float] = {}

    @property
    def errors(self) -> Mapping[str, float]:
        return self._errors

    def start(
        self,
        model: nn.Module,
        weights: Mapping[str, Weight],
        structures: Mapping[str, Structure],
        find: bool,
    ) -> Masks | None:
        if not find:
            return None
        values = {name: weight.parameter.detach() for name, weight in weights.items()}
        by_magnitude = project(values, structures)
        if is_first():
            shared = share_patterns(structures, read_weights(weights))
            dense = deepcopy(model)
            for name, mask in by_magnitude.items():
                values[name].mul_(mask)
            self._errors = fit_layers(dense, model, self._samples, shared, self._seed)
        with torch.no_grad():
            take_from_first(model.parameters())
        return {name: value != 0 for name, value in values.items()}

    def state_dict(self) -> dict[str, Any]:
        return {"errors": dict(self._errors)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._errors = dict(state["errors"])
