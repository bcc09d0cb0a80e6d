"""A torch module comes in with its names, its values and nothing of its training."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.export import Dim
from torch.nn.utils import parametrize, prune

from sparsetvm.errors import ModelError
from sparsetvm.frontends import read
from sparsetvm.frontends.torch_export import from_torch
from tests.passes.machine import run


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Dropout())
        self.register_buffer("shift", torch.arange(5.0).reshape(5, 1, 1))

    def forward(self, image):
        return self.features(image) + self.shift


IMAGE = torch.linspace(-1, 1, 3 * 7 * 6).reshape(1, 3, 7, 6)


def test_weights_and_buffers_are_parameters_under_their_dotted_names():
    program = from_torch(Net(), IMAGE)
    assert set(program.parameters) == {
        "features.0.weight",
        "features.0.bias",
        "features.1.weight",
        "features.1.bias",
        "features.1.running_mean",
        "features.1.running_var",
        "shift",
    }
    main = program.module["main"]
    assert [var.name for var in main.params] == ["image", *program.parameters]
    assert program.inputs == (("image", (1, 3, 7, 6), "float32"),)
    assert program.source == "torch Net"


def test_it_computes_what_the_module_computes_in_eval_mode():
    net = Net().train()
    program = from_torch(net, (IMAGE,))
    assert all(module.training for module in net.modules())
    np.testing.assert_allclose(
        run(program, IMAGE.numpy()), net.eval()(IMAGE).detach(), rtol=1e-5, atol=1e-6
    )


def test_training_on_does_not_change_what_was_imported():
    net = Net()
    program = from_torch(net, IMAGE)
    before = program.arrays["features.0.weight"].copy()
    with torch.no_grad():
        net.features[0].weight.zero_()
    np.testing.assert_array_equal(program.arrays["features.0.weight"], before)


def test_an_exported_program_is_taken_as_it_is():
    net = Net().eval()
    exported = torch.export.export(net, (IMAGE,))
    names = [spec.kind for spec in exported.graph_signature.input_specs]
    program = read(exported)
    assert program.source == "torch ExportedProgram"
    assert names == [spec.kind for spec in exported.graph_signature.input_specs]
    np.testing.assert_allclose(
        run(program, IMAGE.numpy()), net(IMAGE).detach(), rtol=1e-5, atol=1e-6
    )


def test_a_program_file_is_read_by_its_suffix(tmp_path):
    torch.export.save(torch.export.export(Net().eval(), (IMAGE,)), tmp_path / "net.pt2")
    assert "features.0.weight" in read(tmp_path / "net.pt2").parameters


@pytest.mark.filterwarnings("ignore:The tensor attribute")
def test_a_weight_that_torch_prunes_keeps_its_name():
    net = nn.Sequential(nn.Conv2d(3, 4, 3))
    prune.random_unstructured(net[0], "weight", 0.5)
    assert {"0.weight", "0.weight_mask"} <= set(from_torch(net, IMAGE).parameters)


def test_a_parametrized_weight_keeps_its_name():
    class Double(nn.Module):
        def forward(self, weight):
            return 2 * weight

    net = nn.Sequential(nn.Linear(6, 4))
    parametrize.register_parametrization(net[0], "weight", Double())
    assert "0.weight" in from_torch(net, IMAGE).parameters


def test_a_weight_that_is_called_as_the_input_gets_another_name():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.x = nn.Parameter(torch.ones(6))

        def forward(self, x):
            return self.x * x

    assert from_torch(Scale(), IMAGE).parameters == ("x@2",)


def test_single_numbers_stay_in_the_graph_and_arrays_become_parameters():
    class Constants(nn.Module):
        def forward(self, x):
            return x * 2.5 + torch.tensor([1.0, 2, 3, 4, 5, 6])

    program = from_torch(Constants(), IMAGE)
    assert program.parameters == ("constant",)
    np.testing.assert_array_equal(program.arrays["constant"], [1, 2, 3, 4, 5, 6])


def test_an_index_below_zero_counts_from_the_end():
    class Last(nn.Module):
        def forward(self, x):
            return x[:, -1] + x[:, torch.tensor([-2, 0])].sum(1)

    found = run(from_torch(Last(), IMAGE), IMAGE.numpy())
    np.testing.assert_array_equal(found, Last()(IMAGE))


def test_a_free_size_is_refused():
    exported = torch.export.export(
        Net().eval(), (IMAGE.repeat(2, 1, 1, 1),), dynamic_shapes=({0: Dim("n")},)
    )
    with pytest.raises(ModelError, match=r"image has the free shape .*one fixed shape"):
        from_torch(exported)


def test_a_module_without_example_inputs_is_refused():
    with pytest.raises(ModelError, match="torch Net: give example inputs"):
        read(Net())


def test_a_choice_at_run_time_is_refused():
    class Choice(nn.Module):
        def forward(self, x):
            return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))

    with pytest.raises(ModelError, match="torch Choice: it branches or asserts at run time"):
        from_torch(Choice(), IMAGE)


def test_what_torch_cannot_trace_is_refused_with_its_reason():
    class Broken(nn.Module):
        def forward(self, x):
            return x @ x

    with pytest.raises(ModelError, match=r"torch Broken: torch.export cannot trace it \(.*size"):
        from_torch(Broken(), IMAGE)


def test_an_operator_that_relax_lacks_is_named():
    class Singular(nn.Module):
        def forward(self, x):
            return torch.linalg.svdvals(x)

    with pytest.raises(ModelError, match=r"Relax cannot import it \(.*_linalg_svd.*replace that"):
        from_torch(Singular(), IMAGE)


def test_weights_that_are_no_numbers_are_refused():
    net = Net()
    with torch.no_grad():
        net.features[0].weight[2, 0, 1, 1] = torch.nan
    with pytest.raises(ModelError, match=r"features.0.weight holds NaN, first at \(2, 0, 1, 1\)"):
        from_torch(net, IMAGE)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_a_net_that_is_not_float32_is_refused(dtype):
    net, image = nn.Conv2d(3, 5, 3).to(dtype), IMAGE.to(dtype)
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(ModelError, match=rf"weight is {name}, .*model\.float\(\)"):
        from_torch(net, image)
