"""Tuning a net: what is found is checked, kept, resumed and used; what fails is set apart."""

import sys

import numpy as np
import pytest

import sparsetvm as st
from sparsetvm._tvm import T, tvm
from sparsetvm.kernels.builder import store, tensor, tensor_function
from sparsetvm.passes.form import Form, fastest, forms_of
from sparsetvm.targets import resolve
from sparsetvm.tune.cost_model import CostModel
from sparsetvm.tune.database import Database
from sparsetvm.tune.lookup import Records
from sparsetvm.tune.record import QUARANTINED
from sparsetvm.tune.search import search
from sparsetvm.tune.session import tune
from sparsetvm.tune.worker import Worker

TRIALS = 10


@pytest.fixture(scope="module")
def tuned(ir, tmp_path_factory):
    path = tmp_path_factory.mktemp("tune") / "tuning.db"
    return path, tune(ir, trials=TRIALS, threads=1, database=path)


def test_the_best_is_not_slower_than_the_default(tuned):
    _, result = tuned
    tasks = result.session.tasks
    assert result.trials == sum(TRIALS for task in tasks if not task.exhausted) or any(
        task.exhausted for task in tasks
    )
    assert all(0 < task.best_ms <= task.default_ms for task in tasks)


def test_the_same_call_again_measures_nothing(ir, tuned):
    path, _ = tuned
    assert tune(ir, trials=TRIALS, threads=1, database=path).trials == 0


def test_compile_takes_the_fastest_form_and_its_best_record(ir, tuned):
    path, result = tuned
    artifact = st.compile(ir, threads=1, database=path)
    (layer,), (times,) = artifact.manifest.layers, result.session.layers
    assert set(times.ms) == {str(form) for form in forms_of(ir.layers[0])}
    assert layer.forms_ms == times.ms
    form = Form.parse(layer.form)
    assert form == fastest({Form.parse(form): ms for form, ms in times.ms.items()})
    database = Database(path, device=resolve("cpu", 1).device, threads=1)
    records = [database.store.records(database.place, t.workload) for t in result.session.tasks]
    assert layer.schedule in {best.digest[:8] for best, *_ in records}
    x = np.random.default_rng(0).standard_normal(ir.inputs[0][1]).astype(np.float32)
    truth = st.load(st.compile(ir, threads=1))(x)
    np.testing.assert_allclose(st.load(artifact)(x), truth, rtol=1e-3, atol=1e-4)


def test_records_of_another_number_of_threads_do_not_count(ir, tuned):
    path, _ = tuned
    records = Records(resolve("cpu", 2), path)
    st.compile(ir, threads=2, database=path)
    assert str(records) == "0 kernels: 0 tuned, 0 by default schedule"
    (layer,) = st.compile(ir, threads=2, database=path).manifest.layers
    assert layer.schedule == "default"


class Planted(Worker):
    """A worker whose candidates but the first hang, crash, err or want all memory."""

    def __init__(self, *arguments):
        self._bad = iter([None, None, errs, hangs, crashes, devours])  # first what it checks with
        super().__init__(*arguments, limit=2.0)

    def program(self, module):
        bad = next(self._bad, None)
        return super().program(tvm.IRModule({"main": planted(module, bad)}) if bad else module)


def planted(module, body):
    """A function that takes what `module` does and does `body` to its output."""
    with tensor_function() as function:
        for buffer in module["main"].params:
            y = tensor(buffer.name, *map(int, buffer.shape), dtype=str(buffer.dtype))
        with T.sblock("root"):
            body(y)
    return function.get().with_attr("global_symbol", "main")


def errs(y):
    store(y, [0], T.float32(1))


def hangs(y):
    with T.serial(0, 1 << 50):
        store(y, [0], y[0] * T.float32(0.5) + T.float32(1))


def crashes(y):
    store(y, [T.int64(1 << 50)], T.float32(1))


def devours(y):
    space = T.sblock_alloc_buffer((1 << 33,))
    with T.serial(0, 1 << 33) as i:
        store(space, [i], y[0])
    store(y, [0], space[T.Cast("int64", y[1])])


def test_candidates_that_fail_are_quarantined_and_the_search_goes_on(task, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[search.__module__], "Worker", Planted)
    target = resolve("cpu", 1)
    database = Database(tmp_path / "tuning.db", device=target.device, threads=1)
    heard = []

    search(task, target, database, TRIALS, CostModel(0), 0, heard.append)

    failures = [one.failure for one in heard if one.failure]
    assert len(heard) == TRIALS
    assert any("ran longer than 2 s" in failure for failure in failures)
    assert any("crashed the process that ran it (SIGSEGV)" in failure for failure in failures)
    assert any("is off by" in failure for failure in failures)
    assert "std::bad_alloc" in failures
    kept = database.store.records(database.place, states=[QUARANTINED])
    assert {record.reason for record in kept} == set(failures)
    assert database.best(task.module) is not None
