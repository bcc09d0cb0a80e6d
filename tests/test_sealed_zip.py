"""A sealed zip tells of every byte that was changed, and is the same for the same members."""

import zipfile

import pytest
from hypothesis import given, strategies as st

from sparsetvm.errors import FileError
from sparsetvm.sealed_zip import open_sealed_zip, write_sealed_zip

MEMBERS = {"table.json": b"{}", "folder/data": bytes(range(256))}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("sealed") / "thing.zip"
    write_sealed_zip(path, "thing", MEMBERS)
    return path


def test_members_are_read_back(path):
    with open_sealed_zip(path, "thing", "do this") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == MEMBERS


def test_the_same_members_give_the_same_bytes(path, tmp_path):
    write_sealed_zip(tmp_path / "again.zip", "thing", MEMBERS)
    assert (tmp_path / "again.zip").read_bytes() == path.read_bytes()


def test_it_is_stored_so_that_any_tool_can_map_it(path):
    with zipfile.ZipFile(path) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


@given(st.data())
def test_any_change_is_detected(path, tmp_path_factory, data):
    whole = path.read_bytes()
    i = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda new: new != whole[i]))
    altered = tmp_path_factory.getbasetemp() / "altered.zip"
    altered.write_bytes(whole[:i] + bytes([byte]) + whole[i + 1 :])
    with (
        pytest.raises(FileError, match=r"was altered|is no thing of SparseTVM|do this"),
        open_sealed_zip(altered, "thing", "do this"),
    ):
        pass


def test_a_sealed_zip_of_another_kind_is_refused(path):
    with (
        pytest.raises(FileError, match=r"is no other of SparseTVM.*\n  do this"),
        open_sealed_zip(path, "other", "do this"),
    ):
        pass
