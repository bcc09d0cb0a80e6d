"""How zeros come about in training: one method, one file; each registers itself by its name."""

from . import admm, gradual, oneshot, reweighted, second_order  # noqa: F401  (they register)
from .method import Masks as Masks, Method as Method, methods as methods
