"""Small data sets that package registries carry, for what pruning costs in accuracy."""

from . import mnist, moving_digits, vowels  # noqa: F401  (they register)
from .data_set import DataSet as DataSet, data_sets as data_sets
