"""Sparsity in a Relay pipeline (TVM 0.19): passes that mark sparse layers and lower them.

from sparsetvm.passes import relay as sparse

module  = tvm.transform.Sequential([*mine, sparse.pipeline(plan, params), *others])(module)
library = tvm.relay.build(module, target)
"""

from collections.abc import Mapping

from ..._tvm import tvm
from ...sparsity import Plan
from .canonicalise import Canonicalise
from .lower import LowerSparsity
from .mark import MarkSparsity

__all__ = ["Canonicalise", "LowerSparsity", "MarkSparsity", "pipeline"]


def pipeline(
    plan: Plan | None = None,
    params: Mapping[str, tvm.nd.NDArray] | None = None,
    target: str = "cpu",
) -> tvm.transform.Sequential:
    """The passes in order, as one; see each for what it does.

    `params` are the net's weights where they are not constants yet; `plan` says which structure
    their zeros follow, and without one that is found in the zeros.
    """
    return tvm.transform.Sequential(
        [
            Canonicalise(params),  # batch norm goes into the weights
            MarkSparsity(plan),  # sparse layers become functions that bear their structure
            LowerSparsity(target),  # these become sparsetvm.gather_gemm on packed weights
        ],
        name="sparsetvm",
    )
