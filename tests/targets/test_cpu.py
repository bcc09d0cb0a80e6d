"""The CPU target says truly what the machine, or the CPU that was named, can do."""

import os
import re

import pytest

from sparsetvm.errors import TargetError
from sparsetvm.targets import resolve, targets
from sparsetvm.targets.cpu import cores, device_name, extensions, host, of_llvm


@pytest.mark.parametrize(
    ("name", "lanes", "registers"),
    [
        ("cpu:skylake-avx512", 16, 32),
        ("cpu:sapphirerapids", 16, 32),
        ("cpu:znver4", 16, 32),
        ("cpu:haswell", 8, 16),
        ("cpu:x86-64-v3", 8, 16),
        ("cpu:alderlake", 8, 16),
        ("cpu:x86-64-v2", 4, 16),
    ],
)
def test_vectors_follow_from_the_cpu(name, lanes, registers):
    target = resolve(name)
    assert (target.lanes, target.registers) == (lanes, registers)


def test_an_arm_cpu_has_neon():
    arm = {"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "cortex-a76"}
    target = of_llvm("arm", arm, threads=4, schedule_path=("cpu",))
    assert (target.lanes, target.registers) == (4, 28)
    assert target.features >= {"neon", "dotprod"}


@pytest.mark.parametrize(
    ("name", "vector"),
    [
        ("cpu:skylake-avx512", "zmm"),  # LLVM itself prefers 256 bits here
        ("cpu:sapphirerapids", "zmm"),
        ("cpu:znver5", "zmm"),
        ("cpu:haswell", "ymm"),
        ("cpu:x86-64", "xmm"),
    ],
)
def test_llvm_keeps_vectors_as_wide_as_the_target_says(name, vector):
    target = resolve(name, threads=1)
    assert vector in _widest_registers(_assembly(target))


def test_this_machine_is_a_target_with_its_cores_and_caches():
    target = resolve("cpu")
    assert target.tvm["mcpu"] == host()["mcpu"]
    assert target.threads == target.tvm["num-cores"] == cores() <= os.cpu_count()
    assert 8 << 10 <= target.l1 <= target.l2
    assert target.schedule_path == ("cpu",)
    assert host()["mcpu"] in device_name()


def test_the_user_says_how_many_threads():
    assert resolve("cpu", threads=1).threads == 1


def test_what_a_hypervisor_hides_is_not_used(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor : 0\nflags\t\t: fpu sse2 avx f16c fma avx2 avx_vnni\n")
    assert extensions(host(cpuinfo)) == {"avx", "f16c", "fma", "avx2", "avxvnni"}


def test_what_llvm_does_not_know_of_the_machine_is_used():
    generic = {"kind": "llvm", "mcpu": "x86-64", "mattr": ["+avx512f", "+fma"]}
    assert of_llvm("new", generic, threads=1, schedule_path=("cpu",)).lanes == 16


def test_hardware_threads_of_one_core_count_once(tmp_path):
    for i in range(os.cpu_count()):
        topology = tmp_path / f"cpu{i}/topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text("0-7\n")
    assert cores(tmp_path) == 1


def test_a_target_is_hashable_and_equal_to_its_like():
    assert len({resolve("cpu", 1), resolve("cpu", 1), resolve("cpu:haswell", 1)}) == 2


@pytest.mark.parametrize(
    ("name", "threads", "message"),
    [
        (
            "gpu",
            None,
            "unknown target 'gpu'; known: android-cpu, android-opencl, cpu, cuda, linux-arm64",
        ),
        ("cpu:hasswell", None, "LLVM knows no CPU 'hasswell'"),
        ("cpu:cortex-a76", None, "of this machine's architecture"),
        ("cpu", 0, "threads must be 1 or more; got 0"),
    ],
)
def test_what_is_no_target_is_said(name, threads, message):
    with pytest.raises(TargetError, match=re.escape(message)):
        resolve(name, threads)


def test_targets_are_listed_by_name():
    assert "cpu" in list(targets)


def _assembly(target):
    import tvm
    from tvm import s_tir

    from tests.targets.axpy import axpy

    schedule = s_tir.Schedule(tvm.IRModule({"main": axpy}))
    (i,) = schedule.get_loops(schedule.get_sblock("axpy"))
    _, lane = schedule.split(i, [None, target.lanes])
    schedule.vectorize(lane)
    return tvm.compile(schedule.mod, tvm.target.Target(dict(target.tvm))).mod.inspect_source("s")


def _widest_registers(assembly):
    """The kind of register that the multiplications work on."""
    lines = [line for line in assembly.splitlines() if re.search(r"\b(v?fmadd|v?mulps)", line)]
    return set(re.findall(r"%([xyz]mm)", " ".join(lines)))
