"""What compile asks: the best schedule known for a kernel, on this device."""

from pathlib import Path

from .._tvm import s_tir, tirx
from ..targets.target import Target
from .connect import default_path
from .database import Database, tuning_record, workload_hash
from .logs import find_logs
from .record import Record
from .task import workload


class Records:
    """The verified records of a device, out of tuning_logs/ and the database; the faster one
    wins."""

    def __init__(self, target: Target, database: str | Path | None = None):
        self._logged: dict[str, Record] = {}
        for record in find_logs(target.device, target.threads):
            self._logged[record.workload.hash] = _faster(
                record, self._logged.get(record.workload.hash)
            )
        self._database = None
        if database is not None or default_path().is_file():
            self._database = Database(database, device=target.device, threads=target.threads)
        self.tuned = self.asked = 0

    def trace_of(self, function: tirx.PrimFunc) -> "tuple[s_tir.schedule.Trace, str] | None":
        """The schedule of an unscheduled kernel's best record, and the record's name."""
        self.asked += 1
        module = workload(function)
        stored = None if self._database is None else self._database.best(module)
        best = _faster(self._logged.get(workload_hash(module)), stored)
        if best is None:
            return None
        self.tuned += 1
        return tuning_record(best).trace, best.digest[:8]

    def __str__(self) -> str:
        default = self.asked - self.tuned
        return f"{self.asked} kernels: {self.tuned} tuned, {default} by default schedule"


def _faster(a: Record | None, b: Record | None) -> Record | None:
    known = [record for record in (a, b) if record is not None]
    return min(known, key=lambda record: record.seconds, default=None)
