"""Files are whole or absent, and what was there stays until the new is whole."""

import os
import subprocess
import sys

import pytest

from sparsetvm.errors import FileError
from sparsetvm.files import check_writable, write_whole

DIES_WRITING = """
import os, sys
from sparsetvm.files import write_whole
write_whole(sys.argv[1], lambda new: (new.write_text("new"), os._exit(9)), overwrite=True)
"""


def write_two_files(new):
    new.mkdir()
    (new / "a").write_text("new a")
    (new / "b").write_text("new b")


def test_a_file_is_written(tmp_path):
    write_whole(tmp_path / "net.lir", lambda new: new.write_bytes(b"all"))

    assert (tmp_path / "net.lir").read_bytes() == b"all"
    assert os.listdir(tmp_path) == ["net.lir"]


def test_a_folder_is_written(tmp_path):
    write_whole(tmp_path / "net", write_two_files)

    assert (tmp_path / "net" / "b").read_text() == "new b"
    assert os.listdir(tmp_path) == ["net"]


def test_a_folder_may_hold_links_that_lead_nowhere(tmp_path):
    def write(new):
        new.mkdir()
        (new / "link").symlink_to("nothing")

    write_whole(tmp_path / "net", write)

    assert os.readlink(tmp_path / "net" / "link") == "nothing"


def test_the_writer_sees_the_true_suffix_in_the_same_file_system(tmp_path):
    seen = []

    def write(new):
        seen.append(new)
        new.write_bytes(b"")

    write_whole(tmp_path / "net.so", write)

    assert seen[0].name == "net.so"
    assert seen[0].parent.parent == tmp_path


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_stopped_while_writing_the_old_file_stays(tmp_path, stop):
    path = tmp_path / "net.lir"
    path.write_text("old")

    def write(new):
        new.write_text("half")
        raise stop

    with pytest.raises(stop):
        write_whole(path, write, overwrite=True)

    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["net.lir"]


def test_killed_between_writing_and_renaming_the_old_file_stays(tmp_path):
    path = tmp_path / "net.lir"
    path.write_text("old")

    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    died = subprocess.run([sys.executable, "-c", DIES_WRITING, path], env=environment)

    assert died.returncode == 9
    assert path.read_text() == "old"
    left = [name for name in os.listdir(tmp_path) if name != "net.lir"]
    assert len(left) == 1 and left[0].startswith(".net.lir.") and left[0].endswith(".tmp")


def test_stopped_while_swapping_the_old_folder_comes_back(tmp_path, monkeypatch):
    write_whole(tmp_path / "net", write_two_files)
    (tmp_path / "net" / "a").write_text("old a")
    rename = type(tmp_path).rename

    def rename_once(path, target):
        if path.name == "net" and target == tmp_path / "net":
            monkeypatch.undo()
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(type(tmp_path), "rename", rename_once)
    with pytest.raises(FileError, match=r"cannot write .*net: Input/output error"):
        write_whole(tmp_path / "net", write_two_files, overwrite=True)

    assert (tmp_path / "net" / "a").read_text() == "old a"


def test_a_path_that_exists_is_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "net.lir"
    path.write_text("old")

    with pytest.raises(FileError, match=r"net.lir exists\n  choose another path, or allow"):
        write_whole(path, lambda new: pytest.fail("was written"))

    assert path.read_text() == "old"


def test_a_path_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "net.lir"

    def write(new):
        path.write_text("another's")
        new.write_text("ours")

    with pytest.raises(FileError, match=r"net.lir exists"):
        write_whole(path, write)

    assert path.read_text() == "another's"


def test_overwriting_replaces_a_file_and_a_folder(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("old a")

    write_whole(tmp_path / "file", lambda new: new.write_text("new"), overwrite=True)
    write_whole(tmp_path / "folder", write_two_files, overwrite=True)

    assert (tmp_path / "file").read_text() == "new"
    assert (tmp_path / "folder" / "a").read_text() == "new a"
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@pytest.mark.parametrize("write", [write_two_files, lambda new: new.write_text("a file")])
def test_a_folder_with_other_things_in_it_is_never_replaced(tmp_path, write):
    (tmp_path / "home" / "photos").mkdir(parents=True)

    with pytest.raises(FileError, match=r"home holds photos, which .* would not replace\n  remove"):
        write_whole(tmp_path / "home", write, overwrite=True)

    assert (tmp_path / "home" / "photos").is_dir()


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "net-1.lir").write_text("old")
    (tmp_path / "latest.lir").symlink_to(tmp_path / "net-1.lir")

    write_whole(tmp_path / "latest.lir", lambda new: new.write_text("new"), overwrite=True)

    assert (tmp_path / "latest.lir").is_symlink()
    assert (tmp_path / "net-1.lir").read_text() == "new"


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(FileError, match=r"there is no folder .*/out\n  make it first: mkdir -p"):
        write_whole(tmp_path / "out" / "net.lir", write_two_files)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "out").write_text("")

    with pytest.raises(FileError, match=r"there is no folder .*/out"):
        check_writable(tmp_path / "out" / "net.lir")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    (tmp_path / "out").mkdir(mode=0o500)

    with pytest.raises(
        FileError, match=r"takes no new files\n  choose a path in a folder of yours"
    ):
        check_writable(tmp_path / "out" / "net.lir")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that takes no files")
def test_a_folder_that_takes_no_files_is_named():
    with pytest.raises(FileError, match=r"/proc/net.lir"):
        write_whole("/proc/net.lir", lambda new: pytest.fail("was written"))


def test_a_full_disk_is_named(tmp_path):
    def write(new):
        raise OSError(28, "No space left on device")

    with pytest.raises(FileError, match=r"cannot write .*: No space left on device\n  make room"):
        write_whole(tmp_path / "net.lir", write)


def test_a_device_is_never_replaced():
    with pytest.raises(FileError, match=r"/dev/null is neither a file nor a folder"):
        write_whole("/dev/null", lambda new: pytest.fail("was written"), overwrite=True)
