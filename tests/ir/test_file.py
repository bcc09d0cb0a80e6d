"""The layer IR survives the disk to the bit, and a file that did not is refused."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from sparsetvm.errors import FileError, ModelError
from sparsetvm.ir import DenseOp, LayerIR, file, load, save
from sparsetvm.sparsity import Connectivity, Pattern, structures

PARTS = ["layers.json", "weights.safetensors", "graph.json"]
FORMS = pytest.mark.parametrize("form", ["net.lir", "net.lir/"], ids=["zip", "folder"])


def assert_same(a: LayerIR, b: LayerIR) -> None:
    for name in ("layers", "dense_ops", "graph", "dialect", "inputs", "outputs", "source"):
        assert getattr(a, name) == getattr(b, name)
    assert list(a.arrays) == list(b.arrays)
    for name, array in a.arrays.items():
        assert array.dtype == b.arrays[name].dtype and array.shape == b.arrays[name].shape
        assert array.tobytes() == b.arrays[name].tobytes()


@FORMS
def test_what_was_saved_is_loaded_to_the_bit(net, tmp_path, form):
    net.save(f"{tmp_path}/{form}")

    assert_same(load(tmp_path / "net.lir"), net)


def test_a_slash_at_the_end_makes_a_folder(net, tmp_path):
    net.save(f"{tmp_path}/net.lir/")

    assert sorted(path.name for path in (tmp_path / "net.lir").iterdir()) == sorted(PARTS)


def test_an_unzipped_file_is_the_folder(net, tmp_path):
    save(net, tmp_path / "net.lir")
    zipfile.ZipFile(tmp_path / "net.lir").extractall(tmp_path / "unzipped")

    assert_same(load(tmp_path / "unzipped"), net)


def test_the_same_net_gives_the_same_bytes(net, tmp_path):
    save(net, tmp_path / "a.lir")
    save(net, tmp_path / "b.lir")

    assert (tmp_path / "a.lir").read_bytes() == (tmp_path / "b.lir").read_bytes()


def test_the_table_is_readable_json_with_a_layer_a_line(net, tmp_path):
    save(net, f"{tmp_path}/net/")

    text = (tmp_path / "net" / "layers.json").read_text()
    structure = json.loads(text)["layers"][2]["structure"]
    assert structure == {"name": "dense", "group": 8, "block": None}
    assert sum(line.startswith(' {"name": "features.') for line in text.splitlines()) == 2


@FORMS
def test_what_exists_is_replaced_only_when_asked(net, tmp_path, form):
    path = f"{tmp_path}/{form}"
    save(LayerIR((), (), {}, "{}"), path)

    with pytest.raises(FileError, match=r"exists\n  choose another path"):
        save(net, path)
    assert load(path.rstrip("/")).layers == ()
    save(net, path.rstrip("/"), overwrite=True)

    assert_same(load(path.rstrip("/")), net)


@pytest.mark.parametrize(
    "structure",
    [structures[name]() for name in structures]
    + [
        Pattern(entries=2, shapes=((0, 1), (3, 4)), group=3, block=7),
        Connectivity(np.float64(2.5)),
    ],
    ids=str,
)
def test_every_structure_survives(structure):
    record = json.loads(json.dumps(file.structure_to_dict(structure)))

    assert file.structure_from_dict(record) == structure


def test_a_file_is_read_and_printed_without_tvm_and_torch(net, tmp_path):
    save(net, tmp_path / "net.lir")
    script = """
import sys
sys.modules["tvm"] = sys.modules["torch"] = None
from sparsetvm.ir import load
print(load(sys.argv[1]))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUTF8": "1"}
    command = [sys.executable, "-c", script, tmp_path / "net.lir"]

    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    assert printed.stdout == f"{net}\n"


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
dtypes = st.sampled_from(["float32", "float16", "float64", "int64", "int32", "int8", "bool", ">f4"])
nets = st.builds(
    LayerIR,
    layers=st.just(()),
    dense_ops=st.lists(st.builds(DenseOp, names, names, names), max_size=3).map(tuple),
    arrays=st.dictionaries(names, hnp.arrays(dtypes, shapes), max_size=4),
    graph=names,
    dialect=st.sampled_from(["relax", "relay"]),
    inputs=st.lists(st.tuples(names, shapes, names), max_size=3).map(tuple),
    outputs=st.lists(st.tuples(shapes, names), max_size=3).map(tuple),
    source=names,
)


@given(net=nets, folder=st.booleans())
def test_any_net_survives(tmp_path_factory, net, folder):
    path = tmp_path_factory.mktemp("any") / "net.lir"
    save(net, f"{path}/" if folder else path)

    loaded = load(path)

    little = {name: a.astype(a.dtype.newbyteorder("<")) for name, a in net.arrays.items()}
    assert_same(loaded, replace(net, arrays=little))


def test_nan_and_signed_zero_keep_their_bits(tmp_path):
    bits = np.array([0x7FC00001, 0xFFC00000, 0x80000000, 0x00000001], np.uint32).view(np.float32)
    save(LayerIR((), (), {"odd": bits}, ""), tmp_path / "net.lir")

    assert load(tmp_path / "net.lir").arrays["odd"].tobytes() == bits.tobytes()


def test_sizes_that_numpy_counted_are_saved(tmp_path):
    save(LayerIR((), (), {}, "", inputs=(("x", (np.int64(2),), "float32"),)), tmp_path / "net.lir")

    assert load(tmp_path / "net.lir").inputs == (("x", (2,), "float32"),)


def test_an_array_that_is_no_numbers_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"an array cannot be saved: .*object"):
        save(LayerIR((), (), {"o": np.array([None])}, ""), tmp_path / "net.lir")

    assert not (tmp_path / "net.lir").exists()


def flip(path: Path, place: int) -> None:
    """Turn one bit; the same call turns it back."""
    with path.open("r+b") as opened:
        opened.seek(place)
        (byte,) = opened.read(1)
        opened.seek(place)
        opened.write(bytes([byte ^ 1 << place % 8]))


def test_every_flipped_byte_of_a_zip_is_found(net, tmp_path):
    path = tmp_path / "net.lir"
    save(net, path)

    for place in range(path.stat().st_size):
        flip(path, place)
        with pytest.raises(FileError, match=r"net.lir (was altered|is no layer IR)"):
            load(path)
        flip(path, place)
    assert_same(load(path), net)


@pytest.mark.parametrize("part", PARTS)
def test_flipped_bytes_of_a_folder_are_found(net, tmp_path, part):
    save(net, f"{tmp_path}/net/")
    path = tmp_path / "net" / part

    for place in range(0, path.stat().st_size, max(1, path.stat().st_size // 500)):
        flip(path, place)
        with pytest.raises(FileError, match=r"was altered or cut short|layer IR version"):
            load(tmp_path / "net")
        flip(path, place)
    assert_same(load(tmp_path / "net"), net)


@pytest.mark.parametrize("part, mark", [("layers.json", b"{\n"), ("weights.safetensors", b"} ")])
def test_a_blank_may_not_become_another(tmp_path, part, mark):
    save(LayerIR((), (), {"a": np.zeros(2, np.float32)}, ""), f"{tmp_path}/net/")
    path = tmp_path / "net" / part
    whole = path.read_bytes()
    assert mark in whole

    path.write_bytes(whole.replace(mark, mark[:1] + b"\t", 1))
    with pytest.raises(FileError, match=rf"{part} was altered"):
        load(tmp_path / "net")


def test_an_altered_array_is_named(net, tmp_path):
    save(net, f"{tmp_path}/net/")
    path = tmp_path / "net" / "weights.safetensors"
    whole = path.read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:start])

    for name in (name for name, array in net.arrays.items() if array.size):
        place = start + header[name]["data_offsets"][0]
        flip(path, place)
        with pytest.raises(FileError, match=rf"array {name} was altered or cut short\n  copy it"):
            load(tmp_path / "net")
        flip(path, place)


def test_an_array_of_another_shape_is_named(net, tmp_path):
    save(net, f"{tmp_path}/net/")
    other = net.arrays | {"axes": net.arrays["axes"].reshape(1, 2)}
    save(replace(net, arrays=other), f"{tmp_path}/other/")
    shutil.copy(tmp_path / "other" / PARTS[1], tmp_path / "net" / PARTS[1])

    with pytest.raises(FileError, match=r"array axes was altered"):
        load(tmp_path / "net")


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_another_net_is_found(net, tmp_path, part):
    save(net, f"{tmp_path}/net/")
    save(LayerIR((), (), {}, ""), f"{tmp_path}/other/")
    shutil.copy(tmp_path / "other" / part, tmp_path / "net" / part)

    with pytest.raises(FileError, match=r"was altered or cut short"):
        load(tmp_path / "net")


@pytest.mark.parametrize("left", [0, 1, 40, 91, 0.3, 0.99, -1])
def test_a_truncated_zip_is_found(net, tmp_path, left):
    path = tmp_path / "net.lir"
    save(net, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * left) if isinstance(left, float) else left])

    with pytest.raises(
        FileError, match=r"is no layer IR of SparseTVM, or its end is missing\n  copy it again"
    ):
        load(path)


@pytest.mark.parametrize("part", PARTS)
def test_a_truncated_part_of_a_folder_is_found(net, tmp_path, part):
    save(net, f"{tmp_path}/net/")
    path = tmp_path / "net" / part
    path.write_bytes(path.read_bytes()[:-5])

    with pytest.raises(FileError, match=rf"{part} was altered or cut short\n  copy it again"):
        load(tmp_path / "net")


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_of_a_folder_is_named(net, tmp_path, part):
    save(net, f"{tmp_path}/net/")
    (tmp_path / "net" / part).unlink()

    with pytest.raises(FileError, match=rf"there is no layer IR at .*{part}\n  check the path"):
        load(tmp_path / "net")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"there is no layer IR at .*net.lir\n  check the path"):
        load(tmp_path / "net.lir")


@pytest.mark.parametrize("content", [b"", b"hello\n", b"PK\x03\x04" + bytes(500)])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "net.lir").write_bytes(content)

    with pytest.raises(
        FileError, match=r"net.lir is no layer IR of SparseTVM, or its end is missing"
    ):
        load(tmp_path / "net.lir")


def test_a_zip_of_another_kind_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.lir", "w") as archive:
        archive.writestr("layers.json", "{}")

    with pytest.raises(FileError, match=r"net.lir is no layer IR"):
        load(tmp_path / "net.lir")


@pytest.mark.parametrize("table", ["{}", "[]", "3", '{"format": "x", "version": 1, "sha256": 0}'])
def test_a_folder_with_another_table_is_refused(net, tmp_path, table):
    save(net, f"{tmp_path}/net/")
    (tmp_path / "net" / "layers.json").write_text(table)

    with pytest.raises(FileError, match=r"layers.json was altered"):
        load(tmp_path / "net")


@FORMS
def test_another_version_is_refused_with_both_numbers(net, tmp_path, monkeypatch, form):
    monkeypatch.setattr(file, "VERSION", 2)
    save(net, f"{tmp_path}/{form}")
    monkeypatch.undo()

    with pytest.raises(
        FileError, match=r"layer IR version 2; this SparseTVM reads version 1\n  exp"
    ):
        load(tmp_path / "net.lir")


def test_a_structure_that_is_not_registered_here_is_named(net, tmp_path, monkeypatch):
    save(net, tmp_path / "net.lir")
    monkeypatch.delitem(structures._table, "dense")

    with pytest.raises(FileError, match=r"not known here: unknown structure 'dense'.*\n  import"):
        load(tmp_path / "net.lir")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(FileError, match=r"cannot read .*: Not a directory\n  check"):
        load(tmp_path / "file" / "net.lir")
