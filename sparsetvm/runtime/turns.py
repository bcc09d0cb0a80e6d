"""Engines profiled in turns, so that whatever disturbs the machine disturbs them alike."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from .engine import Engine
from .inputs import random_inputs
from .profile import Profile

K = TypeVar("K", bound=Hashable)


def profile_in_turns(
    engines: Mapping[K, Engine],
    inputs: Mapping[str, np.ndarray],
    rounds: int,
    repeats: int,
    say: Callable[[str], None],
) -> dict[K, list[Profile]]:
    """A profile of every engine in every round."""
    profiles: dict[K, list[Profile]] = {name: [] for name in engines}
    for number in range(1, rounds + 1):
        say(f"measuring {len(engines)} nets, round {number} of {rounds}")
        for name, engine in engines.items():
            profiles[name].append(engine.profile(inputs, repeats=repeats))
    return profiles


def milliseconds_in_turns(
    engines: Mapping[K, Engine], rounds: int, seconds: float
) -> dict[K, float]:
    """Of a run of each engine on random inputs: the median of its rounds, each of `seconds` or one
    run."""
    ms: dict[K, list[float]] = {name: [] for name in engines}
    for _ in range(rounds):
        for name, engine in engines.items():
            inputs = random_inputs(engine.manifest)
            engine(inputs)
            start, runs = time.perf_counter(), 0
            while runs == 0 or time.perf_counter() - start < seconds:
                engine(inputs)
                runs += 1
            ms[name].append(1e3 * (time.perf_counter() - start) / runs)
    return {name: float(np.median(times)) for name, times in ms.items()}


def lowest_steps(profiles: Sequence[Profile]) -> dict[str, float]:
    """Milliseconds of each layer and each other step, by name; the lowest of the rounds' medians.

    On a busy machine the sum of these tells more than whole runs do: a step fits between two
    disturbances, a run does not. MobileNetV2 on a quiet EPYC: steps 4.07 ms, runs 4.16; beside
    other processes: steps 4.37, runs 8.7.
    """
    rounds: list[dict[str, float]] = []
    for profile in profiles:
        ms: dict[str, float] = {}
        for step in profile.steps:
            ms[step.name] = ms.get(step.name, 0.0) + step.time.ms
        rounds.append(ms)
    return {name: min(ms[name] for ms in rounds) for name in rounds[0]}
