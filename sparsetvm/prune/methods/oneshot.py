"""One shot: the zeros come at once, by magnitude, and what follows is masked retraining."""

from collections.abc import Mapping

from torch import nn

from ...sparsity import Structure
from ..layers import Weight
from ..projection import project
from .method import Masks, Method, methods


@methods.register("oneshot")
class OneShot(Method):
    """The nearest weights that follow the plan, before the first training step."""

    steps = 0

    def start(
        self,
        model: nn.Module,
        weights: Mapping[str, Weight],
        structures: Mapping[str, Structure],
        find: bool,
    ) -> Masks | None:
        values = {name: weight.parameter for name, weight in weights.items()}
        return project(values, structures) if find else None
