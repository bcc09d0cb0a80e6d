"""One compiled net on this machine: its profile, its roofline, and how it was tuned."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..runtime import Artifact, Manifest, Profile, load
from ..runtime.inputs import random_inputs
from ..targets import resolve
from ..tune.curves import History, history_of
from .ceilings import Ceilings, measure_ceilings
from .roofline import Point, points


@dataclass(frozen=True)
class NetReport:
    """Everything that the page shows."""

    name: str
    date: str
    """In UTC: 2026-11-23 11:19."""
    manifest: Manifest
    profile: Profile
    ceilings: Ceilings
    history: History | None
    """None: nobody here knows how the net was tuned."""

    @property
    def roofline(self) -> tuple[Point, ...]:
        return points(self.profile.layers, self.ceilings)

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes."""
        return self.profile.to_json() | {
            "net": self.name,
            "date": self.date,
            "ceilings": asdict(self.ceilings),
            "roofline": [
                {**asdict(point), "intensity": point.intensity, "share": point.share}
                for point in self.roofline
            ],
            "tuning": None if self.history is None else asdict(self.history.session),
        }


def net_report(
    path: str | Path,
    database: str | Path | None = None,
    repeats: int = 20,
    progress: Callable[[str], None] = lambda text: None,
) -> NetReport:
    """Measure the artifact at `path` on random input; its session is looked up in `database`, the
    user's own by default, and in tuning_logs/."""
    artifact = Artifact.load(path)
    manifest = artifact.manifest
    target = resolve(manifest.target, manifest.threads)
    history = history_of([layer.forms_ms for layer in manifest.layers], target, database)
    progress("measuring this machine's ceilings")
    ceilings = measure_ceilings(manifest.threads)
    progress(f"profiling {path}")
    profile = load(artifact).profile(random_inputs(manifest), repeats)
    return NetReport(
        name=Path(path).stem,
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M"),
        manifest=manifest,
        profile=profile,
        ceilings=ceilings,
        history=history,
    )
