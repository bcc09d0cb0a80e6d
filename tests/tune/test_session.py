"""Tuning a net: what is found is checked, kept, resumed and used; what fails is set apart."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

import sparsetvm as st
from sparsetvm.bench import nets
from sparsetvm.ir.prune import prune
from sparsetvm.passes.form import choose
from sparsetvm.passes.lower import lower
from sparsetvm.passes.pipeline import program_of
from sparsetvm.targets import resolve
from sparsetvm.tune.database import Database
from sparsetvm.tune.lookup import Records
from sparsetvm.tune.record import QUARANTINED
from sparsetvm.tune.search import search
from sparsetvm.tune.session import tune
from sparsetvm.tune.task import tasks_of
from sparsetvm.tune.worker import Worker

TRIALS = 10


@pytest.fixture(scope="module")
def ir():
    net = nets.net("conv:16x24x3x12")
    return prune(st.export(net.module, net.example_inputs), st.Plan.named("pattern8x-b8"))


@pytest.fixture(scope="module")
def tuned(ir, tmp_path_factory):
    path = tmp_path_factory.mktemp("tune") / "tuning.db"
    return path, tune(ir, trials=TRIALS, threads=1, database=path)


def tasks(ir):
    target = resolve("cpu", 1)
    forms = choose(ir.layers, ir.arrays, target, {})
    return tasks_of(lower(program_of(ir), ir.layers, target, forms))


def test_the_best_is_not_slower_than_the_default(tuned):
    _, result = tuned
    (task,) = result.session.tasks
    assert result.trials >= TRIALS
    assert 0 < task.best_ms <= task.default_ms


def test_the_same_call_again_measures_nothing(ir, tuned):
    path, _ = tuned
    assert tune(ir, trials=TRIALS, threads=1, database=path).trials == 0


def test_compile_takes_the_best_record_of_this_device(ir, tuned):
    path, _ = tuned
    artifact = st.compile(ir, threads=1, database=path)
    (layer,) = artifact.manifest.layers
    best = Database(path, device=resolve("cpu", 1).device, threads=1).best(tasks(ir)[0].module)
    assert layer.schedule == best.digest[:8]
    x = np.random.default_rng(0).standard_normal(ir.inputs[0][1]).astype(np.float32)
    truth = st.load(st.compile(ir, threads=1))(x)
    np.testing.assert_allclose(st.load(artifact)(x), truth, rtol=1e-4, atol=1e-5)


def test_records_of_another_number_of_threads_do_not_count(ir, tuned):
    path, _ = tuned
    records = Records(resolve("cpu", 2), path)
    st.compile(ir, threads=2, database=path)
    assert str(records) == "0 kernels: 0 tuned, 0 by default schedule"
    (layer,) = st.compile(ir, threads=2, database=path).manifest.layers
    assert layer.schedule == "default"


class Planted(Worker):
    """A worker whose candidates but the first hang, crash or err."""

    def __init__(self, task, threads):
        super().__init__(task, threads, timeout=1.0)
        self._count = 0

    def measure(self, library):
        self._count += 1
        kinds = {2: _ERRS, 3: _HANGS, 4: _CRASHES}
        if self._count in kinds:
            library = _library(kinds[self._count], library)
        return super().measure(library)


_HANGS = 'void main_(void) { for (;;) __asm__ volatile(""); }'
_CRASHES = "void main_(void) { *(volatile int *)0 = 0; }"
_ERRS = "void main_(void) {}"


def _library(code: str, beside: str) -> str:
    """A library in the form of TVM's, whose main runs `code`."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler to plant candidates that fail")
    source, library = f"{beside}.c", f"{beside}.planted.so"
    call = "int __tvm_ffi_main(void *a, void *b, int n, void *r) { main_(); return 0; }"
    with open(source, "w") as file:
        file.write(f"{code}\n{call}\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-O0", "-o", library, source], check=True)
    return library


def test_candidates_that_hang_crash_or_err_are_quarantined_and_the_search_goes_on(
    ir, tmp_path, monkeypatch
):
    monkeypatch.setattr(sys.modules[search.__module__], "Worker", Planted)
    target = resolve("cpu", 1)
    database = Database(tmp_path / "tuning.db", device=target.device, threads=1)
    heard = []

    search(tasks(ir)[0], target, database, TRIALS, 0, heard.append)

    failures = [one.failure for one in heard if one.failure]
    assert len(heard) >= TRIALS - 1
    assert any("ran longer than 1 s" in failure for failure in failures)
    assert any("crashed the process" in failure for failure in failures)
    assert any("is off by" in failure for failure in failures)
    kept = database.store.records(database.place, states=[QUARANTINED])
    assert {record.reason for record in kept} == set(failures)
    assert database.best(tasks(ir)[0].module) is not None
