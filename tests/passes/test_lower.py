"""What lies between layers stays flat; values are converted only where flat and plain meet."""

from collections import Counter

import pytest
import torch
from torch import nn

from sparsetvm.compiler import compile
from sparsetvm.runtime import load


class Residual(nn.Module):
    """A strided block with a shortcut, then one without."""

    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 8, 3, padding=1)
        self.down = nn.Conv2d(8, 12, 3, padding=1, stride=2)
        self.shortcut = nn.Conv2d(8, 12, 1, stride=2)
        self.body = nn.Conv2d(12, 12, 3, padding=1)

    def forward(self, x):
        x = torch.relu(self.head(x))
        x = torch.relu(self.down(x) + self.shortcut(x))
        return torch.relu(self.body(x) + x).mean((2, 3))


class Branches(nn.Module):
    """Branches that meet in a concatenation, with pools and an operator that stays plain
    between."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 5, 3, padding=1)
        self.b = nn.Conv2d(3, 6, 5, padding=2)
        self.c = nn.Conv2d(11, 4, 3, padding=1)

    def forward(self, x):
        y = torch.cat([torch.relu(self.a(x)), torch.tanh(self.b(x))], 1)
        y = nn.functional.max_pool2d(y, 2) * 2 - nn.functional.avg_pool2d(y, 2)
        return self.c(nn.functional.softmax(y, 1))


def steps(artifact) -> Counter[str]:
    return Counter(step.kernel.rstrip("0123456789") for step in artifact.manifest.steps)


def assert_equals_torch(module: nn.Module, artifact, x: torch.Tensor) -> None:
    with torch.no_grad():
        truth = module.eval()(x)
    torch.testing.assert_close(load(artifact)(x), truth, rtol=1e-4, atol=1e-5)


def test_a_chain_is_converted_once_at_each_end():
    layers = [
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1),
    ]
    module, x = nn.Sequential(*layers), torch.randn(1, 3, 10, 12)

    artifact = compile(module, x)

    assert steps(artifact) == {"from_plain": 1, "gather_gemm": 2, "max_pool2d": 1, "to_plain": 1}
    assert_equals_torch(module, artifact, x)


def test_residuals_are_added_in_the_kernel_and_strides_read_phases():
    module, x = Residual(), torch.randn(2, 3, 9, 11)

    artifact = compile(module, x)

    assert steps(artifact) == {"from_plain": 1, "gather_gemm": 4, "from_flat": 2, "mean": 1}
    assert_equals_torch(module, artifact, x)


def test_branches_concatenate_flat_and_leave_it_for_what_stays_plain():
    module, x = Branches(), torch.randn(1, 3, 8, 10)

    artifact = compile(module, x)

    assert steps(artifact)["concat"] == 1
    assert steps(artifact)["to_plain"] == 2  # before the softmax, and at the end
    assert_equals_torch(module, artifact, x)


def test_layers_of_one_shape_share_a_kernel():
    module = nn.Sequential(*(nn.Conv2d(8, 8, 3, padding=1) for _ in range(5)))

    artifact = compile(module, torch.randn(1, 8, 6, 6))

    kernels = {step.kernel for step in artifact.manifest.steps if step.name.isdigit()}
    assert len(kernels) == 1
    assert [step.name for step in artifact.manifest.steps][1:-1] == ["0", "1", "2", "3", "4"]


def test_an_image_used_as_features_is_turned(rng):
    module = nn.Sequential(nn.Conv1d(4, 6, 3, padding=1), nn.Linear(10, 5))
    x = torch.randn(2, 4, 10)

    assert_equals_torch(module, compile(module, x), x)


@pytest.mark.parametrize("size", [(7, 7), (1, 20), (20, 1), (1, 1)])
def test_images_of_any_size_are_taken(size):
    module = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 5, 1))
    x = torch.randn(3, 4, *size)

    assert_equals_torch(module, compile(module, x), x)


def test_garbage_in_reused_memory_does_not_reach_the_result():
    """Guards and margins lie in memory that held other numbers, NaN at worst."""
    module, x = Residual(), torch.randn(1, 3, 12, 12)
    engine = load(compile(module, x))
    truth = engine(x)

    engine(torch.full_like(x, float("nan")))

    torch.testing.assert_close(engine(x), truth, rtol=0, atol=0)


def test_the_module_is_dumped_after_each_phase(tmp_path):
    module = nn.Conv2d(3, 4, 3)

    compile(module, torch.randn(1, 3, 6, 6), dump=tmp_path / "dump")

    names = ["0-marked.py", "1-lowered.py", "2-scheduled.py", "3-fused.py"]
    assert sorted(path.name for path in (tmp_path / "dump").iterdir()) == names
    assert "sparsity" in (tmp_path / "dump" / "1-lowered.py").read_text()
