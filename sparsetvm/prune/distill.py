"""The pruned net learns from its dense self: the weights that stay, and the biases, are trained to
give the dense net's outputs, and its layers' outputs on the way. No labels; zeros stay zeros.

Adam's steps are relative to each tensor's own size, as in Adafactor (Shazeer & Stern 2018), for the
weights of one net differ by powers of ten; they fall to nothing along a cosine.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import nn

from ..errors import InputError, ModelError
from .imitation import Imitation, Inputs
from .layers import find_layers, find_weights
from .refit import Samples, check_samples, in_eval_mode

log = logging.getLogger(__name__)

MINUTES = 10.0
RATE = 3e-4
"""The largest step, of a tensor's root mean square."""
SMALLEST = 1e-3
"""What a tensor of zeros, say a new bias, counts as in size."""
WARM_UP = 0.03
"""The part of the training in which steps grow to the largest."""
JUDGED = 8
"""One sample in so many is kept to judge by, and no more than so many."""
CHECKS = 8
"""How often the net is judged on the way."""


@dataclass(frozen=True)
class DistillReport:
    """How the training went."""

    steps: int
    seconds: float
    cpu_seconds: float
    """Of all threads together."""
    errors: tuple[tuple[int, float], ...]
    """(step, squared error of the outputs on samples that it does not train on, of the dense net's
    variance); the net with the least is the one that is kept."""
    stopped: str | None
    """Why it ended before its time; None: it did not."""

    @property
    def before(self) -> float:
        return self.errors[0][1]

    @property
    def after(self) -> float:
        return min(error for _, error in self.errors)


def distill(
    dense: nn.Module,
    pruned: nn.Module,
    samples: Samples,
    minutes: float = MINUTES,
    steps: int | None = None,
    batch: int = 1,
    rate: float = RATE,
    hints: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = log.info,
) -> nn.Module:
    """A copy of `pruned`, trained for some minutes to give what `dense` gives; zeros stay zeros.

    A number of `steps`, in place of minutes, makes it repeatable; `batch` samples make a step of
    size `rate`. `hints` names the modules whose outputs are learnt besides the net's own: all
    convolutions and linear layers unless said otherwise. Many samples teach more than few: hundreds
    of crops of photographs, say. Batch-norm keeps its statistics; dropout is off.
    """
    return distill_with_report(
        dense, pruned, samples, minutes, steps, batch, rate, hints, seed, progress
    )[0]


def distill_with_report(
    dense: nn.Module,
    pruned: nn.Module,
    samples: Samples,
    minutes: float = MINUTES,
    steps: int | None = None,
    batch: int = 1,
    rate: float = RATE,
    hints: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = log.info,
) -> tuple[nn.Module, DistillReport]:
    """Like `distill`, and how it went."""
    if min(minutes, 1 if steps is None else steps) <= 0:
        raise InputError(f"distilling takes time, not {minutes:g} minutes or {steps} steps")
    began, began_cpu = time.monotonic(), time.process_time()
    learnt, judged = _split(check_samples(samples))
    student = deepcopy(pruned)
    hints = list(find_layers(student)) if hints is None else hints
    draw = _draw(len(learnt[0]), batch, seed)
    step, stopped = 0, None

    def part() -> float:
        """What is over of the training."""
        over = (time.monotonic() - began) / (60 * minutes) if steps is None else step / steps
        return min(over, 1.0)

    with (
        torch.enable_grad(),
        in_eval_mode(dense),
        in_eval_mode(student),
        _zeros_stay(student),
        Imitation(dense, student, hints, judged) as imitation,
    ):
        optimizer, best = _adam(student), _Best(student)

        def judge() -> float:
            error = imitation.judge()
            best.consider(step, error)
            progress(f"distilling: {part():.0%}, step {step}, error {error:.4f}")
            return error

        last = judge()
        while math.isfinite(last) and part() < 1:
            if part() >= len(best.errors) / CHECKS:
                judge()
            numbers = next(draw)
            with _bfloat16_where_native():
                loss = imitation.loss(tuple(sample[numbers] for sample in learnt))
            last = loss.item()
            if math.isfinite(last):
                _set_rate(optimizer, rate * _cosine(part()))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                step += 1
        if math.isfinite(last):
            last = judge()
    if not math.isfinite(last):
        stopped = (
            f"the training went astray at step {step}, its error is {last}; the net of step "
            f"{best.step} is kept\n  give it a smaller rate than {rate:g}"
        )
        log.warning(stopped)
    student.load_state_dict(best.state)
    spent = time.monotonic() - began, time.process_time() - began_cpu
    return student, DistillReport(step, *spent, tuple(best.errors), stopped)


class _Best:
    """The net as it was when its error was least."""

    def __init__(self, net: nn.Module):
        self._net = net
        self.errors: list[tuple[int, float]] = []

    def consider(self, step: int, error: float) -> None:
        """Keep the net as it is now, unless it was better before."""
        if math.isfinite(error):
            self.errors.append((step, error))
            if error <= min(error for _, error in self.errors):
                self.step, self.state = step, deepcopy(self._net.state_dict())
        elif not self.errors:
            raise ModelError(
                f"the pruned net's error on the samples is {error}\n"
                "  prune it again, from weights that are finite numbers"
            )


def _split(samples: Inputs) -> tuple[Inputs, list[Inputs]]:
    """Those to learn from, and those to judge by, one by one; a single sample serves both."""
    count = len(samples[0])
    if count == 0 or any(len(sample) != count for sample in samples):
        counts = ", ".join(str(len(sample)) for sample in samples)
        raise InputError(
            f"the inputs to learn from hold {counts} samples\n"
            "  give as many of each input, and at least one"
        )
    judged = range(0, count, JUDGED)[:JUDGED]
    learnt = [i for i in range(count) if i not in judged] or [0]
    return (
        tuple(sample[learnt] for sample in samples),
        [tuple(sample[i : i + 1] for sample in samples) for i in judged],
    )


def _draw(count: int, batch: int, seed: int) -> Iterator[torch.Tensor]:
    """Numbers of the samples of each step; none comes again before all have come."""
    generator = torch.Generator().manual_seed(seed)
    left = torch.empty(0, dtype=torch.long)
    while True:
        while len(left) < batch:
            left = torch.cat([left, torch.randperm(count, generator=generator)])
        yield left[:batch]
        left = left[batch:]


@contextmanager
def _zeros_stay(model: nn.Module) -> Iterator[None]:
    """Weights that are zero get no gradient, so Adam leaves them alone."""
    with ExitStack() as hooks:
        for weight in find_weights(model).values():
            if weight.parameter.requires_grad:
                kept = weight.parameter.detach() != 0
                hooks.callback(weight.parameter.register_hook(kept.mul).remove)
        yield


def _adam(model: nn.Module) -> torch.optim.Adam:
    """A group for each tensor that may be trained, with its size."""
    groups = []
    for tensor in model.parameters():
        if tensor.requires_grad:
            kept = tensor.detach()[tensor.detach() != 0]
            size = float(kept.square().mean().sqrt()) if len(kept) else 0.0
            groups.append({"params": [tensor], "size": max(size, SMALLEST)})
    return torch.optim.Adam(groups, fused=True)


def _set_rate(optimizer: torch.optim.Adam, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group["size"]


def _cosine(part: float) -> float:
    """Up to 1 from a tenth, then down to 0."""
    return min(0.1 + part / WARM_UP, 1.0) * (1 + math.cos(math.pi * part)) / 2


def _bfloat16_where_native() -> torch.autocast:
    """Products of bfloat16, summed in float32, where the processor has them: twice as fast."""
    has = torch.cpu.get_capabilities()
    native = any(has.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.autocast("cpu", torch.bfloat16, enabled=native)
