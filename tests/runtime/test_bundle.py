"""A bundle is built by a C++ compiler and gives what the engine gives, from C++ and from Java."""

import os
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import sparsetvm as st
from sparsetvm.errors import FileError
from sparsetvm.runtime.bundle import SOURCES

COMPILER = next(filter(shutil.which, ("g++", "clang++")), None)
needs_compiler = pytest.mark.skipif(not COMPILER, reason="neither g++ nor clang++ is here")
CPP = ("net.cc", "threads.cc", "example.cc")
"""The same in every bundle, so they are compiled once."""


class Letters(nn.Module):
    """Numbers of letters, and a picture; odd sizes on purpose. Its second output is an input."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(29, 24)
        self.gru = nn.GRU(24, 40, batch_first=True)
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 24, 3, stride=2, padding=1)
        )

    def forward(self, letters, picture):
        states, _ = self.gru(self.embedding(letters))
        return states, picture, torch.relu(self.features(picture)).mean((2, 3))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    inputs = torch.randint(0, 29, (1, 9)), torch.randn(1, 3, 11, 13)
    return st.export(Letters().eval(), inputs, "dense"), [one.numpy() for one in inputs]


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """net.o, threads.o and example.o, in the order of CPP."""
    folder = tmp_path_factory.mktemp("objects")
    device = files("sparsetvm.runtime") / "standalone"
    compile_cpp(folder, "-fPIC", "-c", *(str(device / name) for name in CPP))
    return [str(folder / name.replace(".cc", ".o")) for name in CPP]


@pytest.fixture(scope="module", params=[1, 3], ids=["1 thread", "3 threads"])
def built(request, net, objects, tmp_path_factory):
    """(folder, expected outputs): the bundle, with the example compiled and a file per input."""
    ir, inputs = net
    folder = tmp_path_factory.mktemp("bundle") / "letters"
    st.bundle(ir, target="cpu", threads=request.param).save(folder)
    for i, array in enumerate(inputs):
        array.tofile(folder / f"input{i}.bin")
    compile_cpp(folder, *objects, "tables.cc", "kernels.o", "-o", "example")
    engine = st.load(st.compile(ir, threads=request.param))
    return folder, engine(inputs)


@needs_compiler
def test_the_example_gives_what_the_engine_gives(built):
    folder, expected = built
    run = call(folder, "./example", "weights.bin", "input0.bin", "input1.bin")
    assert "letters int64 [1, 9]\n" in run.stdout
    assert "y0 float32 [1, 9, 40]\n" in run.stdout
    for i, array in enumerate(expected):
        found = np.fromfile(folder / f"output{i}.bin", array.dtype).reshape(array.shape)
        np.testing.assert_array_equal(found, array)


@needs_compiler
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-64], "weights.bin is not the file that belongs to this net"),
        (lambda data: b"\1" + data[1:], "weights.bin is not the file that belongs to this net"),
        (None, "cannot read weights.bin: No such file or directory"),
    ],
    ids=["short", "altered", "missing"],
)
def test_the_wrong_weights_are_refused(built, tmp_path, change, message):
    folder, _ = built
    if change:
        (tmp_path / "weights.bin").write_bytes(change((folder / "weights.bin").read_bytes()))
    run = call(tmp_path, str(folder / "example"), "weights.bin", "a", "b", code=1)
    assert message in run.stderr


@needs_compiler
def test_a_kernel_that_refuses_its_arguments_says_why(built, objects, tmp_path):
    """Where tables and kernels are of two nets, say."""
    source = shutil.copytree(built[0], tmp_path / "mixed")
    tables = (source / "tables.cc").read_text()
    (source / "tables.cc").write_text(tables.replace("{1, 9}", "{1, 8}"))
    compile_cpp(source, *objects, "tables.cc", "kernels.o", "-o", "example")
    run = call(source, "./example", "weights.bin", "input0.bin", "input1.bin", code=1)
    assert "shape" in run.stderr and "Error: " in run.stderr


@needs_compiler
@pytest.mark.skipif(not shutil.which("javac"), reason="no javac is here")
def test_the_example_in_java_gives_the_same(objects, tmp_path):
    torch.manual_seed(0)
    ir = st.export(nn.Linear(20, 30), torch.randn(2, 20))
    folder = tmp_path / "linear"
    st.bundle(ir, target="cpu", threads=1).save(folder)
    include = Path(os.path.realpath(shutil.which("javac"))).parents[1] / "include"
    if not (include / "jni.h").is_file():
        pytest.skip("this Java has no jni.h")
    options = [f"-I{include}", f"-I{include / 'linux'}", "-shared", "-fPIC"]
    sources = ("java/net_jni.cc", "tables.cc", "kernels.o", *objects[:2])
    compile_cpp(folder, *options, *sources, "-o", "libsparsetvm_net.so")
    call(folder, "javac", "-d", "classes", "java/org/sparsetvm/Net.java", "java/Example.java")
    x = np.random.default_rng(0).standard_normal((2, 20), np.float32)
    x.tofile(folder / "input0.bin")
    java = ("java", "-cp", "classes", "-Djava.library.path=.", "Example")
    call(folder, *java, "weights.bin", "input0.bin")
    found = np.fromfile(folder / "output0.bin", np.float32).reshape(2, 30)
    np.testing.assert_array_equal(found, st.load(st.compile(ir, threads=1))(x))
    said = call(folder, *java, "no.bin", "input0.bin", code=1).stderr
    assert "RuntimeException: cannot read no.bin" in said


def test_a_bundle_for_a_phone_needs_no_linker_and_no_ndk(net, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ANDROID_NDK_HOME", raising=False)
    made = st.bundle(net[0], target="android-cpu").files
    assert made["kernels.o"][:4] == b"\x7fELF"
    assert int.from_bytes(made["kernels.o"][18:20], "little") == 183  # EM_AARCH64
    assert set(made) == {*SOURCES, "kernels.o", "weights.bin", "tables.cc"}
    readme = made["README.md"].decode()
    assert "    letters int64 [1, 9]\n" in readme and "4 threads" in readme


def test_a_bundle_is_whole_or_absent(net, tmp_path):
    bundle = st.bundle(net[0], target="cpu", threads=1)
    bundle.save(tmp_path / "net")
    with pytest.raises(FileError, match=r"net exists\n"):
        bundle.save(tmp_path / "net")
    bundle.save(tmp_path / "net", overwrite=True)
    assert (tmp_path / "net/weights.bin").read_bytes() == bundle.files["weights.bin"]


def call(folder: Path, *command: str, code: int = 0) -> subprocess.CompletedProcess:
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert run.returncode == code, run.stderr
    return run


def compile_cpp(folder: Path, *arguments: str) -> None:
    """Every warning is an error."""
    flags = ("-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread")
    call(folder, COMPILER, *flags, *arguments)
