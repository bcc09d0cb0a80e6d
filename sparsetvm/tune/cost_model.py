"""The cost model: XGBoost ranks candidates by what is known of others, of any net on this device.

What it learned is in the database, where each record has its features, so it is saved with every
candidate, and a search begins with all that earlier ones found. The same records in the same order
and the same seed give the same model.
"""

from collections.abc import Iterable

import numpy as np
import xgboost

ROUNDS = 40
"""Trees."""
MOST = 1024
"""Records to learn from, the latest: they take a tenth of a second."""

_PARAMETERS = {
    "objective": "rank:pairwise",
    "eta": 0.2,
    "max_depth": 6,
    "min_child_weight": 0,
    "colsample_bytree": 0.5,
    "tree_method": "hist",
    "max_bin": 64,
    "nthread": 1,
    "verbosity": 0,
}


class CostModel:
    """Says which of a task's candidates are worth a run.

    It learns orders, not times: which of two candidates of one task is faster, over all tasks
    (rank:pairwise, one group for each task), for times of different kernels do not compare.
    """

    def __init__(self, seed: int):
        self._seed = seed
        self._known: list[tuple[str, np.ndarray, float]] = []
        self._booster: xgboost.Booster | None = None

    def learn(self, task: str, features: Iterable[np.ndarray], seconds: Iterable[float]) -> None:
        """Take in candidates that were timed; `task` is anything that tells tasks apart."""
        self._known += [(task, *one) for one in zip(features, seconds, strict=True)]
        self._booster = None

    def scores(self, features: np.ndarray) -> np.ndarray:
        """float32 [candidates], the higher the faster; all alike as long as nothing is known."""
        if not self._known:
            return np.zeros(len(features), np.float32)
        if self._booster is None:
            self._booster = self._train()
        return self._booster.predict(xgboost.DMatrix(features))

    def _train(self) -> xgboost.Booster:
        groups: dict[str, list[tuple[np.ndarray, float]]] = {}
        for task, features, seconds in self._known[-MOST:]:
            groups.setdefault(task, []).append((features, seconds))
        rows = np.stack([features for group in groups.values() for features, _ in group])
        speeds = []
        for group in groups.values():
            seconds = np.array([seconds for _, seconds in group])
            speeds.append(seconds.min() / seconds)
        data = xgboost.DMatrix(rows, label=np.concatenate(speeds))
        data.set_group([len(group) for group in groups.values()])
        return xgboost.train(_PARAMETERS | {"seed": self._seed}, data, num_boost_round=ROUNDS)
