"""On a GPU too the operator equals the reference, whatever the structure and the layer."""

import numpy as np
import pytest

from sparsetvm.passes.form import forms_of
from sparsetvm.passes.pipeline import to_code
from sparsetvm.sparsity import Dense, PatternConnectivity
from sparsetvm.targets import resolve
from tests.gpu.emulated import emulate
from tests.gpu.generated import generate, run
from tests.examples import name_example
from tests.kernels.layers import program_of, _result
from tests.kernels.test_gather_gemm import CASES, TOLERANCE


@pytest.mark.parametrize("structure", [PatternConnectivity(group=8), Dense()], ids=name_example)
@pytest.mark.parametrize("target", ["android-opencl", "cuda"])
def test_kernels_equal_the_reference(target, structure, rng, tmp_path):
    target = resolve(target)
    program, layers = program_of(CASES, structure, rng)
    code = to_code(program, layers, target, {l.name: forms_of(l)[0] for l in layers}, lambda f: None)
    generated = generate(code, target)
    data = {n: rng.standard_normal(s).astype(np.float32) for n, s, _ in program.inputs}
    arguments = [*data.values(), *(code.arrays[name] for name in code.parameters)]
    found = run(generated, emulate(generated.source, tmp_path), arguments)
    by_name = {layer.name: layer for layer in layers}
    for i in range(len(CASES)):
        result = _result(by_name[f"l{i}"], found[i], i, data, program.arrays)
        assert result.error < TOLERANCE, str(CASES[i])
