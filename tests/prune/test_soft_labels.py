"""Soft labels: the dense net's own answers cost nothing, others cost more."""

import pytest
import torch
from torch.nn import functional

from sparsetvm.prune import soft_label_loss

LOGITS = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, 0])


def test_the_dense_nets_answers_leave_only_the_labels_part():
    loss = soft_label_loss(LOGITS, LOGITS, LABELS, weight=0.75)
    assert float(loss) == pytest.approx(0.25 * float(functional.cross_entropy(LOGITS, LABELS)))


def test_other_answers_are_drawn_to_the_dense_nets():
    logits = (0.1 * LOGITS).requires_grad_()
    optimizer = torch.optim.SGD([logits], 1.0)
    for _ in range(300):
        optimizer.zero_grad()
        soft_label_loss(logits, LOGITS, LABELS, weight=1.0).backward()
        optimizer.step()
    # equal up to a number for each sample, which softmax does not see
    torch.testing.assert_close(logits.softmax(1), LOGITS.softmax(1), atol=1e-3, rtol=0)
