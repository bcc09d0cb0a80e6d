"""sparsetvm assembly: the innermost loops of a net's kernels on 64-bit ARM."""

from dataclasses import asdict

from . import options
from .output import progress, show_result, show_settings

EXAMPLE = "sparsetvm assembly conv:64x64x3x28 --plan pattern8x-b8"


def command(
    net: options.Net,
    plan: options.Plan = None,
    target: options.Target = "android-cpu",
    json: options.Json = False,
) -> None:
    """Print the innermost loop of each kernel as LLVM writes it for 64-bit ARM, beside the fewest
    instructions that it could do with; `| llvm-mca -mtriple=aarch64` estimates its cycles."""
    show_settings("assembly", net=net, plan=plan, target=target)
    from ..bench.assembly import inner_loops
    from .net import read_net

    with progress(f"compiling {net}"):
        loops = inner_loops(read_net(net, plan), target)
    table = [
        asdict(loop)
        | {"ideal": loop.ideal, "multiply_adds": loop.multiply_adds, "spills": loop.spills}
        for loop in loops
    ]
    show_result({"loops": table}, "\n".join(map(str, loops)), json)
