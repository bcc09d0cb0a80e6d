"""A library is linked by what the machine has: a C compiler, or the ziglang wheel."""

import os
import sys

import numpy as np
import pytest
import tvm

from sparsetvm.errors import TargetError
from sparsetvm.targets import resolve
from sparsetvm.targets.link import Linker, host_linker


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


def test_what_the_linker_says_is_passed_on(tmp_path):
    with pytest.raises(TargetError, match=r"could not link the library: .*absent\.o"):
        host_linker()(str(tmp_path / "out.so"), [str(tmp_path / "absent.o")])


def _check_links(linker: Linker, folder):
    """The kernel calls expf of libm, which no linker is told of."""
    from tests.targets.softplus import softplus

    library = str(folder / "softplus.so")
    target = tvm.target.Target(dict(resolve("cpu").tvm))
    built = tvm.compile(tvm.IRModule({"main": softplus}), target)
    built.export_library(library, fcompile=linker)
    assert os.path.getsize(library) > 0
    x = np.linspace(-3, 3, 64, dtype="float32")
    out = tvm.runtime.empty((64,), "float32")
    tvm.runtime.load_module(library)["main"](tvm.runtime.tensor(x), out)
    np.testing.assert_allclose(out.numpy(), np.log1p(np.exp(x)), rtol=1e-5)
