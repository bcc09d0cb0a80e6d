"""A classifier learns from its dense self: from how the dense net shares out its belief.

Hinton, Vinyals & Dean, "Distilling the knowledge in a neural network", arXiv 1503.02531. A loss for
the user's own training loop; no teacher need run in it if its answers were kept.
"""

import torch
from torch.nn import functional


def soft_label_loss(
    logits: torch.Tensor,
    dense_logits: torch.Tensor,
    labels: torch.Tensor,
    temperature: float = 4.0,
    weight: float = 0.9,
) -> torch.Tensor:
    """`weight` of the divergence from the dense net's softened answers, the rest cross-entropy.

    logits, dense_logits [n, classes]; labels int64 [n].
    """
    answers = functional.log_softmax(logits / temperature, dim=1)
    wanted = functional.log_softmax(dense_logits / temperature, dim=1)
    soft = functional.kl_div(answers, wanted, reduction="batchmean", log_target=True)
    hard = functional.cross_entropy(logits, labels)
    # softened gradients are smaller by the temperature's square
    return weight * temperature**2 * soft + (1 - weight) * hard
