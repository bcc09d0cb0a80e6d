"""What compile asks: the best schedule known for a kernel, on this device."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from .._tvm import s_tir, tirx
from ..ir.layer import Layer
from ..passes.form import Form, FormTimes
from ..targets.target import Target
from .connect import default_path
from .database import Database, tuning_record, workload_hash
from .logs import find_logs
from .record import LayerTimes, Record
from .task import workload
from .verdict import layer_key


class Records:
    """What is known of a device, out of tuning_logs/ and the database: verified records, of which
    the faster one wins, and the times of layers in a net."""

    def __init__(self, target: Target, database: str | Path | None = None):
        self._logged: dict[str, Record] = {}
        self._layers: dict[str, LayerTimes] = {}
        for session, records in find_logs(target.device, target.threads):
            self._layers |= {layer.key: layer for layer in session.layers}
            for record in records:
                known = self._logged.get(record.workload.hash)
                self._logged[record.workload.hash] = _faster(record, known)
        self._database = None
        if database is not None or default_path().is_file():
            self._database = Database(database, device=target.device, threads=target.threads)
            for session in self._database.store.sessions():
                if session.place == self._database.place:
                    self._layers |= {layer.key: layer for layer in session.layers}
        self.tuned = self.asked = 0

    def times(self, layers: Iterable[Layer]) -> FormTimes:
        """What layers like these took in a tuned net, in each form that was measured."""
        return {
            layer.name: {Form.parse(form): ms for form, ms in known.ms.items()}
            for layer in layers
            if (known := self._layers.get(layer_key(layer)))
        }

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

    @property
    def stamp(self) -> str:
        """Differs once more nets were tuned: what was measured before may be faster now."""
        known = sorted((key, sorted(layer.ms.items())) for key, layer in self._layers.items())
        return hashlib.sha256(repr(known).encode()).hexdigest()[:16]

    def __str__(self) -> str:
        default = self.asked - self.tuned
        return f"{self.asked} kernels: {self.tuned} tuned, {default} by default schedule"


def _faster(a: Record | None, b: Record | None) -> Record | None:
    known = [record for record in (a, b) if record is not None]
    return min(known, key=lambda record: record.seconds, default=None)
