"""NVIDIA's compiler, from its wheels: it takes CUDA C++ where there is no GPU."""

import importlib.util
from pathlib import Path


def is_here() -> bool:
    return all(importlib.util.find_spec(name) for name in ("cuda", "nvidia"))


def compile_cuda(source: str, arch: str) -> bytes:
    """The source as machine code."""
    from cuda.bindings import nvrtc

    (folder,) = importlib.util.find_spec("nvidia").submodule_search_locations
    headers = next(Path(folder).glob("cu*/include/cccl"))
    options = [f"--gpu-architecture={arch}".encode(), b"-default-device", b"-I" + bytes(headers)]
    error, program = nvrtc.nvrtcCreateProgram(source.encode(), b"kernels.cu", 0, [], [])
    assert error == nvrtc.nvrtcResult.NVRTC_SUCCESS
    (error,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    if error != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        log = b" " * nvrtc.nvrtcGetProgramLogSize(program)[1]
        nvrtc.nvrtcGetProgramLog(program, log)
        raise AssertionError(log.decode())
    code = b" " * nvrtc.nvrtcGetCUBINSize(program)[1]
    nvrtc.nvrtcGetCUBIN(program, code)
    return code
