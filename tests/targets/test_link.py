"""A library is linked by what the machine has: a C compiler, or the ziglang wheel."""

import os
import sys
from dataclasses import replace

import numpy as np
import pytest
import tvm

from sparsetvm.errors import TargetError
from sparsetvm.targets import resolve
from sparsetvm.targets.link import Linker, android_linker, arm64_linker, host_linker


@pytest.fixture
def no_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)


def test_a_compiler_on_the_path_links(tmp_path, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    _check_links(host_linker(), tmp_path)


def test_ziglang_links_where_there_is_no_compiler(no_compiler, tmp_path):
    pytest.importorskip("ziglang", reason="the wheel that links without a compiler")
    linker = host_linker()
    assert linker.command[:3] == (sys.executable, "-m", "ziglang")
    _check_links(linker, tmp_path)


def test_the_users_compiler_comes_first(monkeypatch):
    monkeypatch.setenv("CC", "ccache gcc")
    assert host_linker().command == ("ccache", "gcc", "-shared")


def test_a_machine_that_cannot_link_is_told_what_to_install(no_compiler, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TargetError, match=r"neither cc, gcc nor clang.*\n.*sparsetvm\[linker\]"):
        host_linker()


@pytest.mark.parametrize("target", ["linux-arm64", "android-cpu"])
def test_ziglang_links_for_arm(target, tmp_path, monkeypatch, no_compiler):
    pytest.importorskip("ziglang", reason="the wheel that links without a compiler")
    monkeypatch.delenv("ANDROID_NDK_HOME", raising=False)
    _link_softplus(resolve(target), tmp_path / "softplus.so")
    library = (tmp_path / "softplus.so").read_bytes()
    assert library[:4] == b"\x7fELF"
    assert int.from_bytes(library[18:20], "little") == 183  # EM_AARCH64
    for name in (b"libm.so\0", b"libc.so\0"):  # Android's loader looks in no others
        assert (name in library) == (target == "android-cpu")


def test_the_ndk_comes_first(tmp_path, monkeypatch):
    folder = tmp_path / "toolchains/llvm/prebuilt/linux-x86_64/bin"
    folder.mkdir(parents=True)
    clang = folder / "aarch64-linux-android24-clang"
    clang.touch()
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path))
    assert android_linker().command[:2] == (str(clang), "-shared")
    clang.unlink()
    with pytest.raises(TargetError, match=r"ANDROID_NDK_HOME is .*\n.*NDK, r23 or newer"):
        android_linker()


@pytest.mark.parametrize("linker", [arm64_linker, android_linker])
def test_a_machine_that_cannot_link_for_arm_is_told_what_to_install(
    linker, no_compiler, monkeypatch
):
    monkeypatch.delenv("ANDROID_NDK_HOME", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TargetError, match=r"nothing here can link .*\n.*sparsetvm\[linker\]"):
        linker()


def test_what_the_linker_says_is_passed_on(tmp_path):
    with pytest.raises(TargetError, match=r"could not link the library: .*absent\.o"):
        host_linker()(str(tmp_path / "out.so"), [str(tmp_path / "absent.o")])


def _check_links(linker: Linker, folder):
    """The kernel calls expf of libm, which no linker is told of."""
    library = str(folder / "softplus.so")
    _link_softplus(replace(resolve("cpu"), linker=linker), library)
    assert os.path.getsize(library) > 0
    x = np.linspace(-3, 3, 64, dtype="float32")
    out = tvm.runtime.empty((64,), "float32")
    tvm.runtime.load_module(library)["main"](tvm.runtime.tensor(x), out)
    np.testing.assert_allclose(out.numpy(), np.log1p(np.exp(x)), rtol=1e-5)


def _link_softplus(target, library):
    from tests.targets.softplus import softplus

    built = tvm.compile(tvm.IRModule({"main": softplus}), tvm.target.Target(dict(target.tvm)))
    built.export_library(str(library), fcompile=target.linker)
