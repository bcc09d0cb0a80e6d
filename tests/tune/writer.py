"""A tuner that only writes: each record's number is printed once it is acknowledged.

python writer.py tuning.db 1000        numbers 1000, 1001, …, until it is killed
"""

import hashlib
import itertools
import json
import sys

from sparsetvm.tune.record import MEASURED, VERIFIED, Place, Record, Workload
from sparsetvm.tune.store import Store

PLACE = Place("cpu test", 1, "0.27")


def record_of(number: int) -> Record:
    """Long, and all of it follows from the number: a torn record would differ."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    workload = Workload(str(number % 7), f"module {number % 7} " * 2000)
    return Record(
        workload=workload,
        place=PLACE,
        trace=json.dumps([number, digest * 200]),
        run_secs=(number * 1e-6, number * 2e-6),
        target=json.dumps({"kind": digest}),
        args=json.dumps([digest] * 9),
        state=VERIFIED if number % 2 else MEASURED,
        created="2026-11-23T07:19:08Z",
    )


def number_of(record: Record) -> int:
    return json.loads(record.trace)[0]


if __name__ == "__main__":
    store = Store(sys.argv[1])
    for number in itertools.count(int(sys.argv[2])):
        store.commit(record_of(number))
        print(number, flush=True)
