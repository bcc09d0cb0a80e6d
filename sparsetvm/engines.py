"""A net whose inputs change their shape: an engine for each, compiled when it is first met."""

import logging
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .compiler import compile
from .errors import InputError
from .runtime.artifact import Artifact, aligned
from .runtime.engine import Engine, load

log = logging.getLogger(__name__)

Shapes = tuple[tuple[tuple[int, ...], str], ...]
"""Shape and dtype of each input."""


class Engines:
    """A net for inputs of any shape: sequence lengths, batch sizes, image sizes, clip lengths.

        net = st.Engines(model, plan="bcr10x", threads=1)
        y = net(x)                      # seconds when x has a new shape, for it is compiled then
        net.engine_for(x).profile(x)

    Schedules and memory are planned for one shape, so each gets an artifact of its own; weights
    that are packed alike are in memory once. The `keep` engines that were used last are kept.

    `model` is a torch module, of which a copy is made now, or an ONNX file whose sizes are free;
    `options` are those of `compile`. A shape that the net cannot take is a ModelError, one that a
    net of fixed shapes was not exported for an InputError.
    """

    def __init__(self, model: Any, keep: int = 16, **options: Any):
        if keep < 1:
            raise InputError(f"Engines keep 1 engine or more; got keep={keep}")
        self._model = model if isinstance(model, str | Path) else deepcopy(model)
        self._keep, self._options = keep, options
        self._engines: dict[Shapes, Engine] = {}
        self._weights: dict[str, np.ndarray] = {}

    def __call__(self, x: Any) -> Any:
        """As Engine does; `x` is one input, or several in order."""
        return self.engine_for(x)(x)

    def __len__(self) -> int:
        """Engines that are kept."""
        return len(self._engines)

    def engine_for(self, x: Any) -> Engine:
        """The engine for inputs like `x`."""
        inputs = tuple(x) if isinstance(x, list | tuple) else (x,)
        shapes = tuple(map(_shape_and_dtype, inputs))
        engine = self._engines.pop(shapes, None) or self._compiled(inputs, shapes)
        self._engines[shapes] = engine  # the one used last comes last
        while len(self._engines) > self._keep:
            del self._engines[next(iter(self._engines))]
        return engine

    def _compiled(self, inputs: tuple, shapes: Shapes) -> Engine:
        log.info("compiling for %s", _in_words(shapes))
        artifact = compile(self._model, inputs, **self._options)
        own = tuple((spec.shape, spec.dtype) for spec in artifact.manifest.inputs)
        if own != shapes:
            raise InputError(
                f"{artifact.manifest.source} takes {_in_words(own)} alone;"
                f" got {_in_words(shapes)}\n"
                "  give Engines the torch module, or an ONNX file whose sizes are free"
            )
        return load(replace(artifact, weights=self._shared(artifact)))

    def _shared(self, artifact: Artifact) -> dict[str, np.ndarray]:
        """The artifact's weights, those that another engine has too in its memory."""
        for name, weight in artifact.weights.items():
            known = self._weights.get(name)
            if known is None or known.dtype != weight.dtype or not np.array_equal(known, weight):
                self._weights[name] = aligned(weight.shape, weight.dtype)
                np.copyto(self._weights[name], weight)
        return {name: self._weights[name] for name in artifact.weights}


def _shape_and_dtype(x: Any) -> tuple[tuple[int, ...], str]:
    if not hasattr(x, "shape"):
        raise InputError(
            f"an input is a {type(x).__name__};"
            " give Engines numpy arrays or torch tensors, in order"
        )
    return tuple(x.shape), str(x.dtype).removeprefix("torch.")


def _in_words(shapes: Shapes) -> str:
    return ", ".join(f"{dtype} {list(shape)}" for shape, dtype in shapes)
