"""A transformer's block, pruned and compiled: linear layers run sparse, attention between them."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import sparsetvm as st

WIDTH, HEADS, TOKENS = 12, 3, 7
NM = {"structure": "nm", "n": 2, "m": 4, "group": 4}
BLOCK = {"structure": "block", "filters": 4, "columns": 1, "rate": 3.0}
BCR = {"structure": "bcr", "rows": 8, "columns": 6, "row_rate": 2.0, "column_rate": 2.0, "group": 4}


class OwnBlock(nn.Module):
    """As nanoGPT and timm write it: one linear layer for queries, keys and values."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        heads = self.qkv(self.norm(x)).reshape(*x.shape[:2], 3, HEADS, WIDTH // HEADS)
        y = functional.scaled_dot_product_attention(*heads.permute(2, 0, 3, 1, 4))
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.down(functional.gelu(self.up(x)))


def torch_block():
    return nn.TransformerEncoderLayer(
        WIDTH, HEADS, 2 * WIDTH, activation="gelu", norm_first=True, batch_first=True
    )


EACH_ITS_OWN = {
    "layers": [
        {"match": "self_attn.in_proj_weight", **BLOCK},
        {"match": "self_attn.out_proj", **NM},
        {"match": "linear*", **BCR},
    ]
}


@pytest.mark.parametrize(
    ("make", "rules", "layers"),
    [
        (OwnBlock, {"default": NM}, ["qkv", "out", "up", "down"]),
        (
            torch_block,
            EACH_ITS_OWN,
            ["self_attn.in_proj_weight", "self_attn.out_proj", "linear1", "linear2"],
        ),
    ],
)
def test_it_computes_what_torch_does_with_the_same_zeros(make, rules, layers):
    torch.manual_seed(0)
    plan, tokens = st.Plan.from_dict(rules), torch.randn(2, TOKENS, WIDTH)
    pruned = st.prune(make().eval(), plan)
    lir = st.export(pruned, tokens, plan)
    assert [layer.name for layer in lir.layers] == layers
    assert all(layer.rate > 1.9 for layer in lir.layers)
    with torch.inference_mode():
        expected = pruned(tokens)
    torch.testing.assert_close(
        st.load(st.compile(lir, threads=1))(tokens), expected, rtol=1e-4, atol=1e-5
    )


def test_products_of_two_activations_are_reported_as_dense():
    lir = st.export(OwnBlock().eval(), torch.zeros(1, TOKENS, WIDTH))
    assert {op.reason for op in lir.dense_ops} == {"no constant matrix to multiply by"}
    assert len(lir.dense_ops) == 2
