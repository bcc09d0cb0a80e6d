"""Bring a Relay graph to the form that MarkSparsity reads: constant weights, batch norm folded."""

from collections.abc import Mapping

from ..._tvm import relay, tvm
from ...errors import ModelError
from .fold_constants import FoldConstants
from .layer import layer_calls
from .names import layer_names, with_names


@tvm.transform.module_pass(opt_level=0, name="Canonicalise")
class Canonicalise:
    """Relay's own passes, and the layers' names kept through them. Zeros in a weight stay zeros.

        %0 = nn.conv2d(%x, %conv.weight);
        %1 = nn.batch_norm(%0, %norm.weight, %norm.bias, %norm.running_mean, %norm.running_var);
        %1.0
        -->
        %0 = nn.conv2d(%x, scaled weight);                                        # span: conv
        add(%0, shift)

    `params` are bound as constants first; without them they must be already.
    """

    def __init__(self, params: Mapping[str, tvm.nd.NDArray] | None = None):
        self.params = dict(params or {})

    def transform_module(self, module, context):
        module = relay.transform.InferType()(module)
        main = module["main"]
        names = list(layer_names(main).values())
        main = relay.build_module.bind_params_by_name(main, self.params)
        module = tvm.IRModule({**module.functions, module.get_global_var("main"): main})
        with tvm.transform.PassContext(opt_level=3):  # which FoldScaleAxis asks for
            module = _FOLD(module)
        if len(layer_calls(module["main"])) != len(names):
            raise ModelError(
                "a layer of constants alone was folded away, and names no longer fit; "
                "run relay.transform.FoldConstant() before"
            )
        module.update_func(module.get_global_var("main"), with_names(module["main"], names))
        return relay.transform.InferType()(module)


_FOLD = tvm.transform.Sequential(
    [
        relay.transform.InferType(),
        relay.transform.CanonicalizeOps(),  # bias_add becomes add, which scales fold through
        relay.transform.SimplifyInference(),
        FoldConstants(),
        relay.transform.FoldScaleAxis(),
        FoldConstants(),
        relay.transform.InferType(),
    ]
)
