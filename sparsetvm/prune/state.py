"""The state of a training, what state_dict() gives: copied, and taken apart into JSON and tensors.

{"step": 3, "betas": (0.9, 0.99), "weight": tensor}
-->
{"step": 3, "betas": {"$tuple": [0.9, 0.99]}, "weight": {"$tensor": "model/weight"}}
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ..errors import ModelError
from ..ir.names import unique_name


def copy_state(state: Any) -> Any:
    """The same tree with every tensor copied to the host, so that training may go on."""
    match state:
        case torch.Tensor():
            return state.detach().to("cpu", copy=True)
        case np.ndarray() | Counter():
            return state.copy()
        case Mapping():
            return {key: copy_state(value) for key, value in state.items()}
        case list():
            return [copy_state(value) for value in state]
        case tuple():
            return tuple(copy_state(value) for value in state)
    return state


def take_apart(state: Any, path: str, tensors: dict[str, torch.Tensor]) -> Any:
    """The JSON of a copied state; its tensors go into `tensors`, by their path."""
    match state:
        case None | bool() | int() | float() | str():
            return state
        case np.generic():
            return state.item()
        case torch.Tensor() if state.layout is torch.strided:
            name = unique_name(path, tensors)
            tensors[name] = state
            return {"$tensor": name}
        case np.ndarray() if state.dtype != object:
            return {"$array": take_apart(torch.from_numpy(state), path, tensors)}
        case list():
            return [take_apart(value, f"{path}/{i}", tensors) for i, value in enumerate(state)]
        case tuple():
            return {"$tuple": take_apart(list(state), path, tensors)}
        case Mapping():
            items = [
                (key, take_apart(value, f"{path}/{key}", tensors)) for key, value in state.items()
            ]
            if isinstance(state, Counter):
                return {"$counter": items}
            is_plain = all(isinstance(key, str) and not key.startswith("$") for key in state)
            return dict(items) if is_plain else {"$items": items}
    raise ModelError(
        f"{path} is a {type(state).__name__}, which a checkpoint, being no pickle, cannot hold\n"
        f"  let its state_dict() give tensors, numbers and strings"
    )


def put_together(json: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """The state that take_apart took apart."""
    match json:
        case {"$tensor": name}:
            return tensors[name]
        case {"$array": inner}:
            return put_together(inner, tensors).numpy()
        case {"$tuple": items}:
            return tuple(put_together(items, tensors))
        case {"$counter": items}:
            return Counter(dict(items))
        case {"$items": items}:
            return {key: put_together(value, tensors) for key, value in items}
        case dict():
            return {key: put_together(value, tensors) for key, value in json.items()}
        case list():
            return [put_together(value, tensors) for value in json]
    return json
