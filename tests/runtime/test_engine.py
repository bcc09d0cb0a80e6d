"""An engine computes what torch does, says what it cannot take, and times its steps."""

import gc
import json
import re
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from sparsetvm.errors import FileError, InputError, TargetError
from sparsetvm.runtime import Engine, load
from sparsetvm.runtime.artifact import aligned


@pytest.fixture
def x(rng):
    return rng.standard_normal((1, 3, 5, 6), np.float32)


@pytest.fixture(scope="module")
def engine(chain):
    return load(chain)


def truth(chain, x):
    """The chain of two convolutions in torch."""
    y = torch.as_tensor(np.array(x))
    for weight in chain.weights.values():
        y = torch.relu(torch.conv2d(y, torch.from_numpy(weight), padding=1))
    return y.sum(1).numpy()


def test_numpy_in_numpy_out(engine, chain, x):
    y = engine(x)
    assert isinstance(y, np.ndarray)
    assert y.flags.writeable
    assert_allclose(y, truth(chain, x), rtol=1e-5, atol=1e-5)  # another order of the same sums


def test_torch_in_torch_out(engine, chain, x):
    y = engine(torch.from_numpy(x))
    assert isinstance(y, torch.Tensor)
    assert_allclose(y.numpy(), truth(chain, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "lie",
    [
        np.asfortranarray,
        lambda x: np.flip(x, 1),
        lambda x: np.broadcast_to(x[:, :1], x.shape),
        lambda x: _at_odd_bytes(x),
        lambda x: _read_only(x),
        lambda x: _aligned(x),
        lambda x: torch.from_numpy(x).to(memory_format=torch.channels_last),
        lambda x: torch.from_numpy(x).requires_grad_(),
        lambda x: [x],
        lambda x: {"x": x},
    ],
    ids="fortran flipped broadcast odd read-only aligned channels-last grad list dict".split(),
)
def test_any_layout_in_memory_gives_the_same(engine, chain, x, lie):
    laid = lie(x)
    array = laid if isinstance(laid, np.ndarray) else x
    assert_allclose(np.asarray(engine(laid)), truth(chain, array), rtol=1e-5, atol=1e-5)


def test_an_output_stays_when_the_engine_runs_again(engine, x):
    first = engine(x)
    before = first.copy()
    engine(-x)
    assert_array_equal(first, before)


def test_an_output_outlives_its_engine(chain, x):
    engine = load(chain)
    y = engine(x)
    before = y.copy()
    del engine
    gc.collect()
    assert_array_equal(y, before)


def test_nan_passes_through(several):
    image = np.ones((2, 7), np.float32)
    image[1, 3] = np.nan
    y, *_ = load(several)([image, np.array([3, 4])])
    assert_array_equal(np.isnan(y), np.isnan(image))


def test_several_inputs_come_in_order_or_by_name(several, rng):
    engine = load(several)
    image, index = rng.standard_normal((2, 7), np.float32), np.array([3, 4])
    for x in ([image, index], (image, index), {"index": index, "image": image}):
        y, more, *_ = engine(x)
        assert_array_equal(y, image * several.weights["scale"])
        assert_array_equal(more, [4, 5])


def test_outputs_that_are_inputs_or_weights_are_copies(several, rng):
    engine = load(several)
    image, index = _aligned(rng.standard_normal((2, 7), np.float32)), np.array([3, 4])
    _, _, same, scale = engine([image, index])
    same[:], scale[:] = 0, 0
    assert image.any()
    assert engine([image, index])[0].any()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            np.zeros((1, 3, 5, 7), "float32"),
            "input x is [1, 3, 5, 7]; the engine was compiled for [1, 3, 5, 6]",
        ),
        (np.zeros((2, 3, 5, 6), "float32"), "compile again with example inputs of the new one"),
        (np.zeros((1, 3, 5, 6)), "input x is float64; the engine was compiled for float32"),
        (torch.zeros(1, 3, 5, 6, dtype=torch.float16), "input x is float16"),
        (torch.zeros(1, 3, 5, 6, device="meta"), "input x is on meta; move it: x.cpu()"),
        ([[1.0, 2.0]], "input x is a list; give a numpy array or a torch tensor"),
        ("image.png", "input x is a str"),
        ([], "the engine takes 1 input (x); got 0"),
        ({"y": np.zeros(1)}, "the engine's inputs are x; got y"),
    ],
    ids=str,
)
def test_what_the_engine_cannot_take_is_said(engine, bad, message):
    with pytest.raises(InputError, match=re.escape(message)):
        engine(bad)


def test_inputs_of_two_kinds_are_refused(several):
    with pytest.raises(InputError, match="all of one kind; got both"):
        load(several)([np.zeros((2, 7), "float32"), torch.zeros(2, dtype=torch.int64)])


def test_a_library_for_another_cpu_is_refused(chain):
    foreign = replace(chain.manifest, features=("avx512f", "sve2"), target="cpu:future")
    with pytest.raises(TargetError, match=r"compiled for cpu:future with sve2, which .* lacks"):
        load(replace(chain, manifest=foreign))


def test_a_library_of_another_tvm_is_refused(chain):
    other = replace(chain.manifest, versions={"sparsetvm": "0", "tvm": "0.26.0"})
    with pytest.raises(FileError, match=r"compiled by TVM 0\.26\.0; this is 0\.27"):
        load(replace(chain, manifest=other))


def test_a_library_that_is_none_is_refused(chain):
    with pytest.raises(FileError, match="the artifact's library cannot be opened"):
        load(replace(chain, library=b"no library"))


def test_the_library_leaves_no_file_behind(chain, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    engine = load(chain)
    assert list(tmp_path.iterdir()) == []
    assert isinstance(engine, Engine)


def test_a_profile_has_a_row_for_each_step(engine, x):
    profile = engine.profile(x, repeats=3)
    assert [step.name for step in profile.steps] == ["first", "second", "y"]
    assert [step.kernel for step in profile.steps] == ["fused_conv2d_relu"] * 2 + ["sum"]
    assert 0 < sum(step.time.ms for step in profile.steps)
    assert profile.total.p10 <= profile.total.ms <= profile.total.p90
    assert profile.device
    assert (profile.threads, profile.repeats) == (1, 3)


def test_a_profile_tells_how_much_of_the_pruning_a_layer_realised(engine, x):
    profile = engine.profile(x, repeats=3)
    (layer,) = profile.layers
    assert (layer.facts.name, layer.ms) == ("second", profile.steps[1].time.ms)
    assert layer.realised == 1.0 / layer.ms  # 1 ms dense, no operations saved
    unmeasured = replace(layer, facts=replace(layer.facts, forms_ms={}))
    assert unmeasured.realised is None


def test_a_layer_of_several_kernels_is_one_layer(engine, x):
    profile = engine.profile(x, repeats=1)
    second = profile.steps[1]
    (layer,) = replace(profile, steps=(second, second)).layers
    assert layer.ms == 2 * second.time.ms


def test_a_profile_is_json(engine, x):
    table = json.loads(json.dumps(engine.profile(x, repeats=1).to_json()))
    assert list(table) == "device threads repeats ms p10 p90 steps layers".split()
    assert table["steps"][2] == {"name": "y", "kernel": "sum"} | {
        key: table["steps"][2][key] for key in ("ms", "p10", "p90")
    }
    assert table["layers"][0]["name"] == "second"


def test_a_profile_is_printed_with_device_threads_and_repeats(engine, x):
    head, *rows = str(engine.profile(x, repeats=3)).splitlines()
    assert re.fullmatch(r"\d+\.\d+ ms \(p10 .*, p90 .*\)   .*, 1 thread, median of 3 runs", head)
    assert rows[0].split() == (
        "step ms form dense direct ms fastest dense ms realised fewer operations structure".split()
    )
    line = r"  second +\d+\.\d+  dense direct +1\.000 +1\.000 direct +\d+% +1\.0x  dense"
    assert re.fullmatch(line, rows[2])
    assert rows[-2].startswith("dense: ") and rows[-1].startswith("realised: ")


def test_profiling_leaves_the_engine_as_it_was(engine, chain, x):
    engine.profile(x, repeats=1)
    assert_allclose(engine(x), truth(chain, x), rtol=1e-5, atol=1e-5)


def test_a_profile_needs_a_run(engine, x):
    with pytest.raises(InputError, match="repeats must be 1 or more; got 0"):
        engine.profile(x, repeats=0)


def test_each_thread_may_have_an_engine(chain, x):
    results = {}

    def run(i):
        engine = load(chain)
        results[i] = [engine(x * i) for _ in range(20)]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(1, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, outputs in results.items():
        for y in outputs:
            assert_allclose(y, truth(chain, x * np.float32(i)), rtol=1e-4, atol=1e-4)


def _at_odd_bytes(x):
    memory = np.zeros(x.nbytes + 4, np.uint8)[4:].view("float32").reshape(x.shape)
    memory[:] = x
    return memory


def _read_only(x):
    x.flags.writeable = False
    return x


def _aligned(x):
    copy = aligned(x.shape, x.dtype)
    copy[:] = x
    return copy
