"""An artifact's file is exact, whole, and tells when it is not."""

import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sparsetvm.errors import FileError
from sparsetvm.runtime import Artifact, Manifest, load
from sparsetvm.runtime.artifact import ALIGNMENT, KIND
from sparsetvm.sealed_zip import write_sealed_zip


@pytest.fixture
def path(chain, tmp_path):
    chain.save(tmp_path / "net.stvm")
    return tmp_path / "net.stvm"


def test_saving_and_loading_is_exact(chain, path):
    again = Artifact.load(path)
    assert again.library == chain.library
    assert again.manifest == chain.manifest
    assert list(again.weights) == list(chain.weights)
    for name, weight in chain.weights.items():
        assert_array_equal(again.weights[name], weight)


def test_an_engine_loads_the_file_or_the_artifact(chain, path, rng):
    x = rng.standard_normal((1, 3, 5, 6), np.float32)
    assert_array_equal(load(path)(x), load(chain)(x))
    assert_array_equal(load(str(path))(x), load(chain)(x))


@pytest.mark.parametrize(
    "dtype",
    "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64".split(),
)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 7)], ids=str)
def test_weights_of_every_dtype_and_shape_are_kept(chain, tmp_path, dtype, shape):
    weights = {"a": np.ones(3, "int8"), "b": np.arange(np.prod(shape)).astype(dtype).reshape(shape)}
    replace(chain, weights=weights).save(tmp_path / "net.stvm")
    again = Artifact.load(tmp_path / "net.stvm").weights
    for name, weight in weights.items():
        assert_array_equal(again[name], weight, strict=True)
        assert weight.size == 0 or again[name].ctypes.data % ALIGNMENT == 0


def test_a_weight_that_lies_in_another_is_stored_once(chain, tmp_path):
    whole = np.arange(96, dtype=np.float32).reshape(8, 12)
    weights = {"part": whole[2:5], "same": whole, "whole": whole, "other": whole + 1}
    artifact = replace(chain, weights=weights)
    assert artifact.weight_bytes == 2 * whole.nbytes
    artifact.save(tmp_path / "net.stvm")
    again = Artifact.load(tmp_path / "net.stvm")
    assert again.weight_bytes == artifact.weight_bytes
    for name, weight in weights.items():
        assert_array_equal(again.weights[name], weight, strict=True)
    again.weights["whole"][2] = 7
    assert_array_equal(again.weights["part"][0], np.full(12, 7, np.float32))


def test_the_same_net_gives_the_same_bytes(chain, path, tmp_path):
    Artifact.load(path).save(tmp_path / "again.stvm")
    assert (tmp_path / "again.stvm").read_bytes() == path.read_bytes()


def test_any_zip_tool_can_look_inside(chain, path):
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["manifest.json", "library.so", "weights.safetensors"]
        assert json.loads(archive.read("manifest.json"))["source"] == "a test"


def test_every_flipped_byte_is_detected(path):
    whole = path.read_bytes()
    for i in [*range(0, len(whole), 997), *range(len(whole) - 130, len(whole), 7)]:
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        with pytest.raises(FileError, match=r"was altered|is no artifact"):
            Artifact.load(path)


@pytest.mark.parametrize("kept", [0, 1, 50, 0.5, 0.999])
def test_a_truncated_file_is_detected(path, kept):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(FileError, match=r"its end is missing\n  copy it again"):
        Artifact.load(path)


def test_a_file_that_is_there_stays(chain, path):
    before = path.read_bytes()
    with pytest.raises(FileError, match="exists"):
        replace(chain, library=b"other").save(path)
    assert path.read_bytes() == before
    replace(chain, library=b"other").save(path, overwrite=True)
    assert Artifact.load(path).library == b"other"


def test_what_is_no_artifact_is_said(tmp_path):
    with pytest.raises(FileError, match=r"there is no artifact at .*absent\.stvm"):
        Artifact.load(tmp_path / "absent.stvm")
    with pytest.raises(FileError, match="cannot read"):
        Artifact.load(tmp_path)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("manifest.json", "{}")
    with pytest.raises(FileError, match="is no artifact of SparseTVM"):
        Artifact.load(tmp_path / "other.zip")


def test_a_missing_part_is_said(chain, tmp_path):
    write_sealed_zip(tmp_path / "net.stvm", KIND, {"manifest.json": b"{}"})
    with pytest.raises(FileError, match=re.escape("library.so")):
        Artifact.load(tmp_path / "net.stvm")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 1}, "is sparsetvm artifact version 1; this SparseTVM reads version 3"),
        ({"format": "other"}, "is other version 3"),
        ({"unknown": 1}, "its manifest cannot be read"),
        ({"inputs": [{"name": "x"}]}, "its manifest cannot be read"),
    ],
    ids=str,
)
def test_a_manifest_of_another_kind_is_said(chain, change, message):
    table = json.loads(chain.manifest.to_json()) | change
    with pytest.raises(FileError, match=re.escape(message)):
        Manifest.from_json(json.dumps(table), "net.stvm")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null"])
def test_a_manifest_that_is_none_is_said(text):
    with pytest.raises(FileError, match=r"net\.stvm: its manifest cannot be read"):
        Manifest.from_json(text, "net.stvm")
