"""Whatever the tuner draws computes the same, or is refused."""

import numpy as np
import pytest

from sparsetvm._tvm import tvm
from sparsetvm.passes.form import forms_of
from sparsetvm.passes.lower import lower
from sparsetvm.sparsity import Dense, PatternConnectivity
from sparsetvm.targets import resolve
from sparsetvm.tune.space import Space
from sparsetvm.tune.task import tasks_of
from tests.kernels.layers import Case, program_of

TARGET = resolve("cpu", 2)
DRAWS = 8

CASES = {
    "rows": (Dense(), Case((1, 7, 9, 24), 16, (3, 3), padding=1)),
    "blocks of images": (PatternConnectivity(group=1), Case((1, 8, 24, 28), 9, (3, 3), padding=1)),
    "blocks of channels": (
        PatternConnectivity(group=1, block=4),
        Case((1, 12, 24, 28), 10, (3, 3), padding=1),
    ),
    "rows, blocks of channels": (
        PatternConnectivity(group=4, block=4),
        Case((1, 12, 9, 24), 8, (3, 3), padding=1, epilogue=("bias", "add", "relu")),
    ),
    "lanes over filters": (Dense(), Case((2, 19), 48)),
}


@pytest.mark.parametrize("name", CASES)
def test_every_sample_computes_the_same_or_is_refused(name, rng):
    structure, case = CASES[name]
    program, layers = program_of([case], structure, rng)
    (task,) = tasks_of(lower(program, layers, TARGET, {"l0": forms_of(layers[0])[0]}))
    places, truth = task.truth()
    space, forms, ran = Space(task, TARGET), set(), 0
    for _ in range(DRAWS):
        drawn = space.draw(rng)
        for sch in (drawn, drawn and space.change(drawn.trace, rng)):
            if sch is None:
                continue
            y = tvm.runtime.tensor(np.full(task.outputs[0], np.nan, np.float32))
            built = tvm.compile(sch.mod, target=tvm.target.Target(dict(TARGET.tvm)))
            built["main"](*map(tvm.runtime.tensor, task.arguments), y)
            error = np.abs(y.numpy().ravel()[places] - truth).max() / np.abs(truth).max()
            assert error < 1e-5, sch.trace
            ran += 1
            forms.add("rfactor" in str(sch.trace))
    assert ran >= DRAWS / 2
    has_parts = "blocks of channels" in name or name == "lanes over filters"
    assert len(forms) == (2 if has_parts else 1)
