"""One option for each layer, so that costs add up to least while times stay within a budget."""

from collections.abc import Sequence

import numpy as np

STEPS = 5000
"""The budget is cut in so many steps, to which times are rounded."""


def cheapest(options: Sequence[Sequence[tuple[float, float]]], budget: float) -> list[int]:
    """The index of each layer's option (ms, cost); all the fastest ones where none fit.

    A multiple-choice knapsack by dynamic programming: exact but for the rounding of times, and the
    same at every call.
    """
    fastest = [min(range(len(each)), key=each.__getitem__) for each in options]
    if budget <= 0:
        return fastest
    least = np.zeros(STEPS + 1)  # the cost of the layers so far within so many steps
    lengths, best = [], []
    for each in options:
        lengths.append([round(STEPS * ms / budget) for ms, _ in each])
        costs = np.full((len(each), STEPS + 1), np.inf)
        for row, length, (_, cost) in zip(costs, lengths[-1], each, strict=True):
            if length <= STEPS:
                row[length:] = least[: STEPS + 1 - length] + cost
        best.append(costs.argmin(axis=0))
        least = costs.min(axis=0)
    if np.isinf(least[-1]):
        return fastest
    left, picked = STEPS, []
    for of_layer, choice in zip(reversed(lengths), reversed(best), strict=True):
        picked.append(int(choice[left]))
        left -= of_layer[picked[-1]]
    return picked[::-1]
