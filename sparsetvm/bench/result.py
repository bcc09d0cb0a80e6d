"""What a bench found: every figure with its spread, its machine and what it is compared with."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .contest import Outcome
from .machine import Machine
from .operations import Operations


@dataclass(frozen=True)
class BenchResult:
    """One net under one plan: our sparse and dense forms and the peers, timed in the same run."""

    net: str
    description: str
    plan: str
    threads: int
    seconds: float
    """Timed per engine, about."""
    seed: int
    machine: Machine
    operations: Operations
    ours: Outcome
    ours_dense: Outcome
    ours_direct: Outcome
    dense_peers: Mapping[str, Outcome]
    sparse_peers: Mapping[str, Outcome]
    """Engines that gain from zeros, on the pruned weights and on ones pruned without structure."""
    layers: tuple[Mapping[str, Any], ...]
    """Our engine's own profile, one entry for each layer."""

    @property
    def fastest_dense(self) -> str | None:
        """The name of the fastest peer on dense weights."""
        timed = {n: o.timing.ms for n, o in self.dense_peers.items() if o.timing}
        return min(timed, key=timed.__getitem__, default=None)

    @property
    def speedup_over_fastest_dense(self) -> float | None:
        fastest = self.fastest_dense
        return _ratio(self.dense_peers[fastest], self.ours) if fastest else None

    @property
    def realised(self) -> float | None:
        """Speed-up over our own dense direct form, of the reduction of operations."""
        speedup = _ratio(self.ours_direct, self.ours)
        return None if speedup is None else speedup / self.operations.reduction

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes; milliseconds are medians, `spread` has the rest."""
        outcomes = self._outcomes()
        return {
            "net": self.net,
            "description": self.description,
            "plan": self.plan,
            "threads": self.threads,
            "ours": {
                "ms": _ms(self.ours),
                "dense_ms": _ms(self.ours_dense),
                "dense_direct_ms": _ms(self.ours_direct),
                "realised": self.realised,
            },
            "peers": {
                name: _ms(outcome)
                for name, outcome in {**self.dense_peers, **self.sparse_peers}.items()
                if outcome.timing
            },
            "fastest_dense": self.fastest_dense,
            "speedup_over_fastest_dense": self.speedup_over_fastest_dense,
            "max_relative_error": self.ours.error,
            "layers": [dict(layer) for layer in self.layers],
            "operations": {**asdict(self.operations), "reduction": self.operations.reduction},
            "spread": {name: asdict(o.timing) for name, o in outcomes.items() if o.timing},
            "errors": {name: o.error for name, o in outcomes.items() if o.error is not None},
            "skipped": {name: o.skipped for name, o in outcomes.items() if o.skipped},
            "versions": {name: o.version for name, o in outcomes.items() if o.version},
            "machine": asdict(self.machine),
            "seconds": self.seconds,
            "seed": self.seed,
        }

    def _outcomes(self) -> dict[str, Outcome]:
        ours = {
            "sparsetvm": self.ours,
            "sparsetvm_dense": self.ours_dense,
            "sparsetvm_dense_direct": self.ours_direct,
        }
        return {**ours, **self.dense_peers, **self.sparse_peers}


def _ms(outcome: Outcome) -> float | None:
    return outcome.timing.ms if outcome.timing else None


def _ratio(slow: Outcome, fast: Outcome) -> float | None:
    return slow.timing.ms / fast.timing.ms if slow.timing and fast.timing else None
