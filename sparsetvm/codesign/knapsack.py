"""One option for each layer, so that errors add up to least while times stay within a budget."""

from collections.abc import Sequence

import numpy as np

STEPS = 5000
"""The budget is cut in so many steps, to which times are rounded."""


def cheapest(options: Sequence[Sequence[tuple[float, float]]], budget: float) -> list[int]:
    """The index of each layer's option (ms, error); all the fastest ones where none fit.

    A multiple-choice knapsack by dynamic programming: exact but for the rounding of times, and the
    same at every call.
    """
    fastest = [min(range(len(each)), key=lambda i: each[i]) for each in options]
    if budget <= 0:
        return fastest
    costs = [[round(STEPS * ms / budget) for ms, _ in each] for each in options]
    least = np.zeros(STEPS + 1)  # the error of the layers so far within s steps
    chosen = []
    for each, steps in zip(options, costs, strict=True):
        errors = np.full((len(each), STEPS + 1), np.inf)
        for row, cost, (_, error) in zip(errors, steps, each, strict=True):
            if cost <= STEPS:
                row[cost:] = least[: STEPS + 1 - cost] + error
        chosen.append(errors.argmin(axis=0))
        least = errors.min(axis=0)
    if np.isinf(least[-1]):
        return fastest
    left, picked = STEPS, []
    for steps, best in zip(reversed(costs), reversed(chosen), strict=True):
        picked.append(int(best[left]))
        left -= steps[picked[-1]]
    return picked[::-1]
