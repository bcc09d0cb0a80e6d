"""A net layer by layer: our sparse form beside our dense one, and what pruning gave in speed."""

from typing import Any

from ..runtime.profile import Profile


def layer_rows(sparse: Profile, dense: Profile) -> tuple[dict[str, Any], ...]:
    """One row for each layer that the profiles share, in the order of the run; ms are medians."""
    dense_ms, sparse_ms = _milliseconds(dense), _milliseconds(sparse)
    facts = {step.layer.name: step.layer for step in sparse.steps if step.layer}
    return tuple(
        {
            "name": name,
            "structure": layer.structure,
            "form": layer.form,
            "rate": layer.rate,
            "ms": sparse_ms[name],
            "dense_ms": dense_ms[name],
            "realised": dense_ms[name] / sparse_ms[name] / layer.rate,
        }
        for name, layer in facts.items()
        if name in dense_ms
    )


def _milliseconds(profile: Profile) -> dict[str, float]:
    """A layer may take several kernel calls; their medians are added."""
    total: dict[str, float] = {}
    for step in profile.steps:
        if step.layer:
            total[step.layer.name] = total.get(step.layer.name, 0.0) + step.time.ms
    return total
