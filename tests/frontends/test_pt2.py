"""A .pt2 file gives its program, and can execute nothing."""

import io
import json
import pickle
import re
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.export import Dim

from sparsetvm.errors import FileError, ModelError
from sparsetvm.frontends.pt2 import read_pt2


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 7, 3, padding=1), nn.BatchNorm2d(7), nn.Hardswish())
        self.head = nn.Linear(7, 5)
        self.register_buffer("scale", torch.full((5,), 2.0))

    def forward(self, image):
        mean, _ = torch.max(self.stem(image).flatten(2), -1)
        return self.head(mean) * self.scale + 0.5


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture(scope="module")
def image():
    return torch.randn(1, 3, 5, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def path(net, image, tmp_path):
    torch.export.save(torch.export.export(net, (image,)), tmp_path / "net.pt2")
    return tmp_path / "net.pt2"


class Boom:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_program_is_read_as_it_was_saved(path, net, image):
    program = read_pt2(path)
    assert set(program.state_dict) == set(net.state_dict())
    torch.testing.assert_close(program.module()(image), net(image), rtol=0, atol=0)


def test_pickled_inputs_are_not_run(path, tmp_path):
    _rewrite(path, {"data/sample_inputs/model.pt": _torch_saved(Boom(tmp_path / "boom"))})
    with pytest.raises(ModelError, match="example inputs are not plain tensors"):
        read_pt2(path)
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("kind", ["weights", "constants"])
def test_pickled_tensors_are_not_run(path, tmp_path, kind):
    config = f"data/{kind}/model_{kind}_config.json"
    name = {"weights": "weight_0", "constants": "tensor_0"}[kind]
    entry = {"path_name": name, "is_param": True, "use_pickle": True, "tensor_meta": None}
    _rewrite(
        path,
        {
            config: json.dumps({"config": {"stem.0.weight": entry}}).encode(),
            f"data/{kind}/{name}": _torch_saved(Boom(tmp_path / "boom")),
        },
    )
    with pytest.raises(ModelError, match="holds a pickled tensor"):
        read_pt2(path)
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize(
    "member",
    [
        "data/constants/opaque_obj_0",
        "data/constants/custom_obj_0",
        "data/weights/model.pt",
        "data/aotinductor/model/code.so",
        "models/other.json",
    ],
)
def test_what_may_be_code_is_not_touched(path, tmp_path, member):
    _rewrite(path, {member: pickle.dumps(Boom(tmp_path / "boom"))})
    with pytest.raises(ModelError, match=f"holds {re.escape(member)}, which may be code"):
        read_pt2(path)
    assert not (tmp_path / "boom").exists()


def test_guards_are_not_run(path, tmp_path):
    boom = f"__import__('pathlib').Path({str(tmp_path / 'boom')!r}).touch()"
    _rewrite_graph(path, lambda graph: graph.update(guards_code=[boom]))
    read_pt2(path).module()
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize(
    "target", ["torch.os.system", "torch.ops.aten.relu.default.os", "math.sqrt"]
)
def test_only_aten_is_called(path, target):
    def change(graph):
        graph["graph_module"]["graph"]["nodes"][0]["target"] = target

    _rewrite_graph(path, change)
    with pytest.raises(ModelError, match=f"calls {re.escape(target)}; only torch.ops.aten"):
        read_pt2(path)


def test_expressions_are_not_evaluated(net, image, tmp_path):
    free = {"image": {2: Dim("height", min=4, max=64)}}
    program = torch.export.export(net, (image,), dynamic_shapes=free)
    torch.export.save(program, tmp_path / "free.pt2")
    with pytest.raises(ModelError, match=r"has free shapes\n  export it with example inputs"):
        read_pt2(tmp_path / "free.pt2")


def test_what_is_no_program_is_said(tmp_path, path):
    with pytest.raises(FileError, match="there is no file"):
        read_pt2(tmp_path / "absent.pt2")
    (tmp_path / "text.pt2").write_text("no zip")
    with pytest.raises(FileError, match="cannot read"):
        read_pt2(tmp_path / "text.pt2")
    torch.save({}, tmp_path / "state.pt2")
    with pytest.raises(FileError, match="is no ExportedProgram"):
        read_pt2(tmp_path / "state.pt2")
    _rewrite(path, {"models/model.json": b"{"})
    with pytest.raises(FileError, match=r"models/model\.json cannot be read"):
        read_pt2(path)


def _torch_saved(thing):
    buffer = io.BytesIO()
    torch.save((thing,), buffer)
    return buffer.getvalue()


def _rewrite_graph(path, change):
    with zipfile.ZipFile(path) as archive:
        graph = json.loads(archive.read(f"{path.stem}/models/model.json"))
    change(graph)
    _rewrite(path, {"models/model.json": json.dumps(graph).encode()})


def _rewrite(path, changes):
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents |= {f"{path.stem}/{name}": data for name, data in changes.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
