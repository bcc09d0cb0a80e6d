"""Pruning in the user's own training loop, by torch's parametrizations and optimizer hooks."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from ..errors import PlanError, TrainingError
from ..sparsity import Dense, Plan, share_patterns
from .diverged import check_finite
from .layers import find_weights, open_structures_for, read_weights
from .masked import hold, mask_of, release, set_mask
from .methods import Masks, methods
from .report import PrunedLayer, PruneReport

log = logging.getLogger(__name__)

VERSION = 1
"""Of what state_dict gives."""


class Pruner:
    """Brings a plan's zeros into a model while it is trained, and keeps them there.

        pruner = st.Pruner(model, "pattern8x-b8", method="admm", steps=1000)
        pruner.prepare(optimizer)
        for x, y in batches:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            pruner.step()
        model = pruner.finalize()

    `method` is oneshot, gradual, admm, reweighted or secondorder, and takes the other keywords.
    After its `steps` the masks are final; what follows is masked retraining. Under torchrun all
    processes have equal masks; a net that lies on several devices stays there.
    """

    def __init__(
        self, model: nn.Module, plan: Plan | str | Path, method: str = "admm", **options: Any
    ):
        self.model = model.module if isinstance(model, DistributedDataParallel) else model
        self._given_plan = plan if isinstance(plan, Plan) else Plan.load(plan)
        self._name, self._method = method, methods[method](**options)
        self._all = find_weights(self.model)
        read_weights(self._all)  # refuses what cannot be pruned
        structures = open_structures_for(self._all, self._given_plan)
        self._structures = {n: s for n, s in structures.items() if not isinstance(s, Dense)}
        if not self._structures:
            raise PlanError("the plan leaves every layer of this model dense; nothing to prune")
        self._weights = {name: self._all[name] for name in self._structures}
        self._kept_energy: dict[str, float] = {}
        self._state: Mapping[str, Any] | None = None
        self._optimizers: tuple[Optimizer, ...] = ()
        self._hooks: list[Any] = []
        self._steps = 0
        self._phase = "new"

    @property
    def steps(self) -> int:
        """Training steps so far."""
        return self._steps

    @property
    def is_final(self) -> bool:
        """Whether the masks stay as they are from now on."""
        return self._phase != "new" and self._steps >= self._method.steps

    @property
    def masks(self) -> Masks:
        """The masks that are held now, bool, by the layer's name in the plan; not copies."""
        return {name: mask_of(weight) for name, weight in self._weights.items()}

    @property
    def plan(self) -> Plan:
        """The plan that the zeros follow; in the end a method that finds rates has its own."""
        return self._method.plan() or self._given_plan

    def prepare(self, *optimizers: Optimizer) -> None:
        """Take the model's training on; once, before the first step, or before it goes on.

        The optimizers may be older than this: parameters stay the same objects.
        """
        self._expect("prepare", "new")
        self._check_optimizers(optimizers)
        self._optimizers = optimizers
        values = {name: value.clone() for name, value in self._values().items()}
        find = self._state is None
        masks = self._method.start(self.model, self._weights, self._structures, find)
        for weight in self._weights.values():
            hold(weight)
        self._phase = "prepared"
        if masks is not None:
            self._set(masks, values)
        if self._state is not None:
            self._load(self._state)
            self._state = None
        self._hooks = [one.register_step_pre_hook(self._before_update) for one in optimizers]

    def step(self) -> None:
        """After each optimizer.step(): count it, and let the method do its part."""
        self._expect("step", "prepared")
        self._steps += 1
        masks = self._method.advance(self._steps)
        if masks is not None:
            self._set(masks, self._values())

    def finalize(self) -> nn.Module:
        """The user's model, its weights plain parameters with exact zeros that follow the plan.

        Before the method's last step its end is brought about at once, and a warning says so.
        """
        self._expect("finalize", "prepared")
        if not self.is_final:
            log.warning("finalized after %d of %d steps", self._steps, self._method.steps)
            self._steps = self._method.steps
            self._set(self._method.advance(self._steps) or {}, self._values())
        for weight in self._weights.values():
            release(weight)
        for hook in self._hooks:
            hook.remove()
        self._phase = "finalized"
        return self.model

    def report(self) -> PruneReport:
        """What stays of each layer, and of its energy just before the zeros came."""
        if self._phase == "new":
            raise TrainingError("report: nothing is pruned yet\n  call prepare() first")
        values = {name: w.parameter.detach().cpu().numpy() for name, w in self._all.items()}
        if self._phase == "prepared":
            for name, mask in self.masks.items():
                values[name] = values[name] * mask.cpu().numpy()
        structures = share_patterns(open_structures_for(self._all, self.plan), values)
        return PruneReport(
            tuple(
                PrunedLayer(
                    name=name,
                    kind=weight.kind,
                    structure=structures[name],
                    weights=values[name].size,
                    kept=int((values[name] != 0).sum()),
                    kept_energy=self._kept_energy.get(name, 1.0),
                    error=self._method.errors.get(name),
                )
                for name, weight in self._all.items()
            )
        )

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on, beside the model's and the optimizer's own states.

            version, steps   whole numbers
            method, plan     strings: the method's name; the SHA-256 of the plan's TOML
            masks            name -> bool tensor
            kept_energy      name -> float, for the report
            state            what the method remembers: nested dicts of tensors and numbers

        Tensors are the live ones: copy or write them before the next step.
        """
        self._expect("state_dict", "prepared")
        return {
            "version": VERSION,
            "method": self._name,
            "plan": self._given_plan.digest,
            "steps": self._steps,
            "masks": self.masks,
            "kept_energy": dict(self._kept_energy),
            "state": self._method.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what state_dict gave.

        Best before prepare(), which then finds no masks of its own; the model's and the optimizer's
        states, taken after prepare(), are loaded after it.
        """
        self._check_state(state)
        if self._phase == "new":
            self._state = state
        else:
            self._expect("load_state_dict", "prepared")
            self._load(state)

    def _load(self, state: Mapping[str, Any]) -> None:
        self._steps = state["steps"]
        self._kept_energy = dict(state["kept_energy"])
        self._method.load_state_dict(state["state"])
        for name, weight in self._weights.items():
            set_mask(weight, state["masks"][name])

    def _set(self, masks: Masks, values: Mapping[str, torch.Tensor]) -> None:
        """Hold these masks over the weights, whose values were these before."""
        for name, mask in masks.items():
            energy = values[name].square()
            kept = (energy * mask).sum() / energy.sum().clamp(min=torch.finfo(energy.dtype).tiny)
            self._kept_energy[name] = float(kept)
            set_mask(self._weights[name], mask)
        if self.is_final:
            self._settle()

    @torch.no_grad()
    def _settle(self) -> None:
        """Make zeros of what is masked for good, in weights and in what optimizers keep of them.

        No gradient reaches these any more, so they stay zeros, and checkpoints need not hold them.
        """
        for name, weight in self._weights.items():
            parameter, mask = weight.parameter, self.masks[name]
            parameter.mul_(mask)
            for kept in (one.state.get(parameter, {}) for one in self._optimizers):
                for value in kept.values():
                    if isinstance(value, torch.Tensor) and value.shape == mask.shape:
                        value.mul_(mask)

    def _values(self) -> dict[str, torch.Tensor]:
        return {name: weight.parameter.detach() for name, weight in self._weights.items()}

    def _before_update(self, optimizer: Optimizer, arguments: Any, keywords: Any) -> None:
        """Add what the method draws with to the gradients, once all is known to be finite."""
        if any(callable(one) for one in (*arguments, *keywords.values())):
            raise TrainingError(
                f"{type(optimizer).__name__}.step(closure) finds its gradients itself, out of the "
                f"pruner's reach\n  call backward() yourself, then optimizer.step()"
            )
        check_finite(optimizer, self.model, self._steps + 1)
        if self.is_final:
            return
        own = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for name, weight in self._weights.items():
            parameter = weight.parameter
            if id(parameter) in own and parameter.grad is not None:
                pull = self._method.draw(name)
                if pull is not None:
                    parameter.grad.add_(pull)

    def _check_optimizers(self, optimizers: tuple[Optimizer, ...]) -> None:
        own = {id(p) for one in optimizers for group in one.param_groups for p in group["params"]}
        missing = [w.full_name for w in self._weights.values() if id(w.parameter) not in own]
        if len(missing) == len(self._weights):
            raise TrainingError(
                "prepare: none of the optimizers has a weight that the plan prunes\n"
                "  give the one that trains this model: pruner.prepare(optimizer)"
            )
        if missing:
            log.warning("not trained by any optimizer given: %s", ", ".join(missing))

    def _check_state(self, state: Mapping[str, Any]) -> None:
        for what, own in (
            ("version", VERSION),
            ("method", self._name),
            ("plan", self._given_plan.digest),
        ):
            if state.get(what) != own:
                raise TrainingError(
                    f"the pruner's state is of {what} {state.get(what)}, this pruner of {own}\n"
                    f"  make it with what the state was made with: model, plan, method"
                )
        shapes = {name: tuple(weight.parameter.shape) for name, weight in self._weights.items()}
        found = {name: tuple(mask.shape) for name, mask in state["masks"].items()}
        if found != shapes:
            name = min(n for n in {*shapes, *found} if found.get(n) != shapes.get(n))
            raise TrainingError(
                f"the pruner's state is of another model: {name} is {found.get(name, 'not there')} "
                f"in the state and {shapes.get(name, 'not pruned')} here\n"
                f"  make the pruner with the model that the state was made with"
            )

    def _expect(self, call: str, phase: str) -> None:
        if self._phase != phase:
            says = {
                "new": "prepare() comes first",
                "prepared": "prepare() was called already",
                "finalized": "this pruner has done its work; make another one",
            }
            raise TrainingError(f"{call}() is out of turn: {says[self._phase]}")
