"""The random numbers that torch, numpy and Python will draw next."""

import random
from typing import Any

import numpy as np
import torch


class Randomness:
    """The global generators, as an object with state."""

    def state_dict(self) -> dict[str, Any]:
        _, keys, *rest = np.random.get_state()
        version, words, gauss = random.getstate()
        return {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "numpy": [keys, *rest],
            "python": [version, np.array(words, np.uint32), gauss],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        torch.set_rng_state(state["torch"])
        if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda"])
        np.random.set_state(("MT19937", *state["numpy"]))
        version, words, gauss = state["python"]
        random.setstate((version, tuple(map(int, words)), gauss))
