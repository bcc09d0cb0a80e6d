"""Way (a): tuned inside TVM 0.19, with XGBoost; the annotation stands in the printed TensorIR."""

import numpy as np
import pytest
import torch
import tvm
from graphs import TARGET, from_torch, relative_error, run
from torch import nn
from tvm import meta_schedule as ms

import sparsetvm as st
from sparsetvm.passes import relay as sparse
from sparsetvm.tune import relay as tuning

TRIALS = 16


@pytest.fixture(scope="module")
def net():
    """(lowered module, dense module, x, torch's y) of a layer of 64 filters, 8 times pruned."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()).eval()
    plan = st.Plan.load("pattern8x-b8")
    model = st.prune(model, plan)
    x = torch.randn(1, 64, 28, 28)
    with torch.no_grad():
        y = model(x).numpy()
    module, params = from_torch(model, x)
    canonical = sparse.Canonicalise(params)(module)
    lowered = sparse.LowerSparsity()(sparse.MarkSparsity(plan)(canonical))
    return lowered, canonical, x.numpy(), y


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("records")


def test_the_annotation_is_in_the_printed_tensor_ir(net):
    lowered, *_ = net
    tasks = ms.relay_integration.extract_tasks(
        lowered, TARGET, {}, pass_config=tuning._config(whole=False)
    )
    (task,) = [one for one in tasks if "gather_gemm" in one.task_name]
    text = task.dispatched[0].script()
    assert 'T.block_attr({"sparsity": {"blocks": 1, "columns": 72, "filters": 8' in text
    assert '"structure": "pattern(4 entries, set of 8) + connectivity 3.6x"' in text


def test_without_records_there_is_the_default_schedule(net, tmp_path):
    lowered, _, x, y = net
    assert relative_error(run(tuning.build(lowered, TARGET, tmp_path), x), y) < 1e-5


def test_tuned_sparse_beats_tuned_dense_with_the_same_trials(net, folder):
    lowered, canonical, x, y = net
    times = {}
    for name, module in {"sparse": lowered, "dense": canonical}.items():
        tuning.tune(module, TARGET, folder / name, TRIALS, whole=True)
        library = tuning.build(module, TARGET, folder / name, whole=True)
        assert relative_error(run(library, x), y) < 1e-5
        executor = tvm.contrib.graph_executor.GraphModule(library["default"](tvm.cpu()))
        times[name] = executor.benchmark(tvm.cpu(), repeat=10, number=10).min
    assert times["sparse"] < times["dense"]


def test_what_was_measured_is_not_measured_again(net, folder, monkeypatch):
    lowered, *_ = net
    monkeypatch.setattr(tuning._Search, "run", lambda *_: pytest.fail("measured again"))
    tuning.tune(lowered, TARGET, folder / "sparse", TRIALS - 2, whole=True)


def test_the_tables_are_those_of_the_layer(net):
    lowered, *_ = net
    ((key, (offset, row)),) = tuning.index_tables(lowered).items()
    (blocks, groups, columns, filters), length = key
    assert (offset.shape, row.shape) == ((blocks, groups, columns), (groups, filters))
    assert 0 <= offset.min() and offset.max() < length
    assert len(np.unique(row)) == groups * filters
