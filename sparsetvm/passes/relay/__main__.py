"""python -m sparsetvm.passes.relay export: a Relay net as a file for the newer TVM's side."""

import argparse
import json
import sys
from pathlib import Path

from ..._tvm import relay, tvm
from ...errors import FileError, SparseTVMError
from ...files import check_writable
from ...sparsity import Plan
from .export import export


def main() -> int:
    options = _parser().parse_args()
    try:
        check_writable(options.output, options.overwrite)
        plan = None if options.plan is None else Plan.load(options.plan)
        ir = export(read(options.model), _params(options.params), plan, options.model)
        ir.save(options.output, options.overwrite)
    except SparseTVMError as err:
        print(err, file=sys.stderr)
        return 1
    sparse = sum(layer.rate > 1 for layer in ir.layers)
    print(json.dumps({"lir": options.output, "layers": len(ir.layers), "sparse": sparse}))
    return 0


def read(path: str | Path) -> tvm.IRModule:
    """The module that tvm.ir.save_json wrote to a file."""
    text = _contents(path)
    try:
        module = tvm.ir.load_json(text.decode())
    except Exception as err:  # TVM raises what it meets
        raise FileError(
            f"{path} is no Relay module of TVM 0.19; write it with tvm.ir.save_json(module)"
        ) from err
    if isinstance(module, relay.Function):
        module = tvm.IRModule.from_expr(module)
    if not isinstance(module, tvm.IRModule) or not isinstance(module["main"], relay.Function):
        raise FileError(f"{path} holds no Relay function main; write the whole module")
    return module


def _params(path: str | Path | None) -> dict[str, tvm.nd.NDArray]:
    if path is None:
        return {}
    data = _contents(path)
    try:
        return relay.load_param_dict(data)
    except Exception as err:  # TVM raises what it meets
        raise FileError(
            f"{path} holds no parameters; write it with relay.save_param_dict(params)"
        ) from err


def _contents(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as err:
        raise FileError(f"cannot read {path}: {err.strerror}; check the path") from err


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sparsetvm.passes.relay")
    verb = parser.add_subparsers(required=True).add_parser(
        "export",
        help="write a .lir file, which st.load_ir reads where TVM is newer",
        epilog="example: python -m sparsetvm.passes.relay export net.json --params net.params "
        "--plan pattern8x-b8 -o net.lir",
    )
    verb.add_argument("model", help="what tvm.ir.save_json(module) wrote")
    verb.add_argument("-o", "--output", required=True, help="the .lir file, or a folder: ends in /")
    verb.add_argument("--params", help="what relay.save_param_dict(params) wrote")
    verb.add_argument("--plan", help="a ready plan or a TOML file; else found in the zeros")
    verb.add_argument("--overwrite", action="store_true", help="replace what is there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
