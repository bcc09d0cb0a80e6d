"""Artifacts of small nets, built as compile builds them."""

import re
from pathlib import Path

import numpy as np
import pytest
import tvm
from tvm import relax

from sparsetvm.runtime import Artifact, LayerFacts, Manifest, Step, TensorSpec
from sparsetvm.targets import resolve
from tests.runtime import nets


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def chain(tmp_path_factory):
    rng = np.random.default_rng(1)
    weights = {n: rng.standard_normal((3, 3, 3, 3), np.float32) for n in ("first", "second")}
    names = {"fused_conv2d_relu": iter(["first", "second"]), "sum": iter(["y"])}
    ms = {"dense direct": 1.0}
    layer = LayerFacts(
        "second", "conv2d", "dense", 1.0, 4860, 324, 4860, 1044, "dense direct", "default", ms
    )
    return _artifact(nets.Chain, weights, 1, names, (layer,), tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="session")
def several(tmp_path_factory):
    weights = {"scale": np.arange(7, dtype="float32")}
    names = {"multiply": iter(["y"]), "add": iter(["more"])}
    return _artifact(nets.Several, weights, 2, names, (), tmp_path_factory.mktemp("several"))


def _artifact(module, weights, inputs, names, layers, folder: Path) -> Artifact:
    target = resolve("cpu", threads=1)
    passes = relax.transform
    module = tvm.transform.Sequential(
        [passes.LegalizeOps(), passes.AnnotateTIROpPattern(), passes.FuseOps(), passes.FuseTIR()]
    )(module)
    built = tvm.compile(module, tvm.target.Target(dict(target.tvm)))
    library = folder / "library.so"
    built.export_library(str(library), fcompile=target.linker)
    kernels = re.findall(r"^  call  (?!vm\.builtin)(\S+)", built.as_text(), re.MULTILINE)
    main = module["main"]
    manifest = Manifest(
        target=target.name,
        features=tuple(sorted(target.features)),
        threads=target.threads,
        inputs=tuple(_spec(var.name, var.ty) for var in main.params[:inputs]),
        outputs=tuple(_spec(f"output{i}", ty) for i, ty in enumerate(_fields(main.ret_ty))),
        weights=tuple(weights),
        steps=tuple(Step(kernel, next(names[kernel])) for kernel in kernels),
        layers=layers,
        versions={"sparsetvm": "0", "tvm": tvm.__version__},
        source="a test",
    )
    return Artifact(library.read_bytes(), weights, manifest)


def _fields(ty):
    return ty.fields if isinstance(ty, relax.TupleType) else [ty]


def _spec(name, ty):
    return TensorSpec(name, tuple(int(n) for n in ty.shape), str(ty.dtype))
