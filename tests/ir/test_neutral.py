"""The neutral graph: what is written is read again, and what is wrong with it is said."""

import pytest

from sparsetvm.errors import FileError, ModelError
from sparsetvm.ir.neutral import Graph, Node, check

GRAPH = Graph(
    (
        Node("%0", "reshape", ("x",), {}, (5, 7)),
        Node("%1", "clip", ("%0",), {"low": 0.0, "high": 6.0}, (5, 7)),
    ),
    ("%1",),
)


def test_reading_inverts_writing():
    assert Graph.from_json(GRAPH.to_json()) == GRAPH


def test_a_graph_in_order_is_accepted():
    check(GRAPH, {"x": None})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "this is no neutral graph; export the model again"),
        ('{"nodes": []}', "this is no neutral graph"),
        (GRAPH.to_json().replace('"version": 1', '"version": 2'), "this SparseTVM reads"),
    ],
)
def test_another_text_is_refused(text, message):
    with pytest.raises(FileError, match=message):
        Graph.from_json(text)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Node("%2", "erf", ("x",), {}, (5,)), "operator 'erf' is none of the neutral graph's"),
        (Node("%2", "clip", ("x",), {"low": 0}, (5,)), "clip has low, high"),
        (Node("%2", "relu", ("%3",), {}, (5,)), "%2 reads %3, which is not computed before"),
    ],
)
def test_a_node_that_cannot_be_is_an_error(node, message):
    with pytest.raises(ModelError, match=message):
        check(Graph((node,), ("%2",)), {"x": None})


def test_an_output_must_be_computed():
    with pytest.raises(ModelError, match="output %7 is computed nowhere"):
        check(Graph((), ("%7",)), {"x": None})
