"""JapaneseVowels: nine speakers say two vowels; which of them? aeon's wheel carries it.

Kudo et al., "Multidimensional curve classification using passing-through regions", 1999.
"""

import io
import zipfile

import numpy as np
import torch

from .data_set import DataSet, data_sets
from .package_file import PackageFile

FILE = PackageFile(
    name="aeon-1.6.0-py3-none-any.whl",
    package="aeon==1.6.0",
    megabytes=6.4,
    sha256="d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409",
)
LENGTH = 29
"""Of the longest series; shorter ones begin with zeros, so that all end at the same step."""


@data_sets.register("vowels")
def vowels(fetch: bool = False) -> DataSet:
    """[n, 29, 12]: 12 cepstrum coefficients at each step."""
    with zipfile.ZipFile(io.BytesIO(FILE.read(fetch))) as wheel:
        folder = "aeon/datasets/data/JapaneseVowels/JapaneseVowels"
        train, test = (
            _read(wheel.read(f"{folder}_{part}.ts").decode()) for part in ("TRAIN", "TEST")
        )
    description = f"series of {LENGTH} steps of 12 numbers, {len(train[1])} to train on"
    return DataSet("vowels", train, test, 9, f"{description} and {len(test[1])} to judge by")


def _read(text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """sktime's format: dimensions apart by colons, the label last."""
    series, labels = [], []
    for line in text.split("@data")[1].split():
        *dimensions, label = line.split(":")
        values = np.array([dimension.split(",") for dimension in dimensions], np.float32).T
        series.append(np.pad(values, ((LENGTH - len(values), 0), (0, 0))))
        labels.append(int(label) - 1)
    return torch.from_numpy(np.stack(series)), torch.tensor(labels)
