"""Streams answer what their nets answer alone, and do not disturb each other."""

import threading
import time
from concurrent.futures import CancelledError, wait
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import sparsetvm as st
from sparsetvm.errors import InputError
from sparsetvm.runtime.interference import NetTimes
from sparsetvm.runtime.pace import pace
from sparsetvm.runtime.sharing import Saved
from sparsetvm.runtime.streams import Streams

PATIENCE = 30
"""Seconds that a test waits for an answer on a busy machine."""


@pytest.fixture
def x(rng):
    return rng.standard_normal((1, 3, 5, 6), np.float32)


@pytest.fixture
def two(chain):
    with Streams([st.Stream("a", chain, 50), st.Stream("b", chain, 20, when_busy="queue")]) as two:
        yield two


@pytest.fixture
def slow(chain, monkeypatch):
    """A stream whose runs last until `let_go` is set; `begun` says that one runs."""
    engine = st.load(chain)
    begun, let_go = threading.Event(), threading.Event()
    real = engine._run

    def run(inputs):
        if threading.current_thread().name == "slow":
            begun.set()
            let_go.wait(PATIENCE)
        return real(inputs)

    monkeypatch.setattr(engine, "_run", run)
    return engine, begun, let_go


def ask_while_busy(slow, x, when_busy, **settings):
    """Three requests while the first one runs."""
    engine, begun, let_go = slow
    stream = st.Stream("slow", engine, 10, when_busy=when_busy, **settings)
    with Streams([stream]) as streams:
        first = streams.submit("slow", x)
        assert begun.wait(PATIENCE)
        rest = [streams.submit("slow", x) for _ in range(3)]
        let_go.set()
        first.result(PATIENCE)
        assert not wait(rest, PATIENCE).not_done
        kept = [not future.cancelled() and future.result(PATIENCE) is not None for future in rest]
        (summary,) = streams.summary()
    return kept, summary.dropped


def test_a_stream_answers_what_its_net_answers_alone(two, chain, x):
    expected = st.load(chain)(x)
    for name in ("a", "b", "a"):
        assert_array_equal(two.submit(name, x).result(PATIENCE), expected)


def test_the_latest_waits_and_takes_the_place_of_the_one_before(slow, x):
    assert ask_while_busy(slow, x, "latest") == ([False, False, True], 2)


def test_what_comes_meanwhile_is_dropped(slow, x):
    assert ask_while_busy(slow, x, "drop") == ([False, False, False], 3)


def test_a_queue_keeps_as_many_as_it_has_room(slow, x):
    assert ask_while_busy(slow, x, "queue", room=2) == ([True, True, False], 1)


def test_each_stream_is_asked_at_its_rate_and_told_of(two, x):
    pace(two, {"a": lambda: x, "b": lambda: x}, seconds=0.4)
    a, b = two.summary()
    assert (a.asked, b.asked) == (20, 8)
    two.stop()
    a, b = two.summary()
    assert a.answered + a.dropped == 20
    spans = two.timeline.spans()
    assert {span.stream for span in spans} == {"a", "b"}
    for cpu in two.cpus:
        own = sorted((span.start, span.end) for span in spans if span.core == cpu)
        assert all(end <= start for (_, end), (start, _) in pairwise(own))


def test_a_wrong_input_is_this_requests_answer_alone(two, chain, x):
    expected = st.load(chain)(x)
    wrong = two.submit("a", x[..., :3])
    with pytest.raises(InputError, match=r"input x is \[1, 3, 5, 3\]"):
        wrong.result(PATIENCE)
    two.submit("a", np.full_like(x, np.nan)).result(PATIENCE)
    assert_array_equal(two.submit("a", x).result(PATIENCE), expected)
    assert_array_equal(two.submit("b", x).result(PATIENCE), expected)
    assert [(s.failed, s.answered) for s in two.summary()] == [(1, 2), (0, 1)]


def test_a_net_is_reloaded_while_the_others_run(two, chain, x):
    before = two.engines()["a"]
    answers = []
    other = threading.Thread(target=lambda: pace(two, {"b": lambda: x}, 0.5))
    other.start()
    for _ in range(3):
        two.reload("a", chain)
        answers.append(two.submit("a", x).result(PATIENCE))
    other.join()
    assert two.engines()["a"] is not before
    for answer in answers:
        assert_array_equal(answer, st.load(chain)(x))
    assert two.summary()[1].asked == 10


def test_a_net_that_does_not_load_leaves_the_old_one(two, x, tmp_path):
    with pytest.raises(st.SparseTVMError, match=r"net\.stvm"):
        two.reload("a", tmp_path / "net.stvm")
    assert two.submit("a", x).result(PATIENCE) is not None


def test_a_stream_is_ended_and_the_others_go_on(two, chain, x):
    two.remove("a")
    with pytest.raises(InputError, match="there is no stream 'a'; running: b"):
        two.submit("a", x)
    assert_array_equal(two.submit("b", x).result(PATIENCE), st.load(chain)(x))


def test_stopping_drops_what_waits_and_leaves_no_thread(slow, x):
    engine, begun, let_go = slow
    streams = Streams([st.Stream("slow", engine, 10, when_busy="queue")])
    streams.start()
    first = streams.submit("slow", x)
    assert begun.wait(PATIENCE)
    second = streams.submit("slow", x)
    threading.Timer(0.1, let_go.set).start()
    streams.stop()
    assert first.done()
    with pytest.raises(CancelledError):
        second.result(PATIENCE)
    assert "slow" not in {thread.name for thread in threading.enumerate()}


def test_a_deadline_is_the_time_to_the_next_request_unless_it_is_given(chain, x):
    assert st.Stream("a", chain, 20).seconds == 0.05
    stream = st.Stream("a", chain, 20, deadline=1e-6)
    with Streams([stream]) as streams:
        streams.submit("a", x).result(PATIENCE)
        time.sleep(0.01)
        (summary,) = streams.summary()
    assert (summary.answered, summary.late, summary.missed) == (1, 1, 1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 0}, "stream a: its rate is above 0; got 0"),
        ({"rate": 1, "deadline": -1}, "its deadline is above 0; got -1"),
        ({"rate": 1, "when_busy": "wait"}, "when_busy is 'wait'; known: latest"),
    ],
)
def test_impossible_settings_are_said(chain, settings, message):
    with pytest.raises(InputError, match=message):
        st.Stream("a", chain, **settings)


def test_two_streams_of_one_name_are_refused(chain):
    with pytest.raises(InputError, match="two streams have one name"):
        Streams([st.Stream("a", chain, 1), st.Stream("a", chain, 1)])


@pytest.mark.parametrize(("priority", "behind"), [(0, ["long"]), (1, [])])
def test_a_long_net_gives_way_unless_its_priority_is_higher(
    chain, x, monkeypatch, priority, behind
):
    times = {"long": NetTimes((0.05,), (0.05,)), "short": NetTimes((0.003,), (0.003,))}
    monkeypatch.setattr("sparsetvm.runtime.streams.measure", lambda *_: times)
    nets = [st.Stream("long", chain, 10, priority=priority), st.Stream("short", chain, 50)]
    with Streams(nets) as streams:
        assert streams.behind() == behind
        assert_array_equal(streams.submit("long", x).result(PATIENCE), st.load(chain)(x))


def test_equal_weights_are_in_memory_once_and_stay_so(chain, x, tmp_path):
    path = tmp_path / "chain.stvm"
    chain.save(path)
    other = replace(chain, weights=chain.weights | {"second": chain.weights["second"] + 1})
    nets = [st.Stream("a", path, 50), st.Stream("b", path, 20), st.Stream("c", other, 20)]
    with Streams(nets) as streams:
        places = {name: engine.weight_bytes() for name, engine in streams.engines().items()}
        first, second = places["a"]
        assert places["b"] == places["a"] == {first: 324, second: 324}
        assert set(places["c"]) & set(places["a"]) == {first}
        assert streams.saved() == Saved(weights=3 * 324, activations=0)
        streams.reload("b", path)
        assert streams.engines()["b"].weight_bytes() == places["a"]
        assert_array_equal(streams.submit("c", x).result(PATIENCE), st.load(other)(x))


def test_nets_of_one_engine_are_one_stream(x):
    torch.manual_seed(0)
    backbone = torch.nn.Conv2d(3, 8, 3)
    heads = {name: torch.nn.Sequential(backbone, torch.nn.Conv2d(8, 4, 1)) for name in "ab"}
    given = {name: (net.eval(), torch.from_numpy(x)) for name, net in heads.items()}
    engine = st.coexecute(
        {name: st.export(net, (example,)) for name, (net, example) in given.items()}, threads=1
    )
    with Streams([st.Stream("heads", engine, 20)]) as streams:
        answers = [streams.submit("heads", x).result(PATIENCE) for _ in range(2)]
        saved = streams.saved()
    for answer in answers:
        for name, (net, example) in given.items():
            expected = net(example).detach().numpy()
            assert_allclose(answer[name], expected, rtol=1e-5, atol=1e-6)
    sharing = engine.manifest.sharing
    assert saved.weights >= backbone.weight.numel() * 4
    assert saved.activations == 2 * (sharing.read_apart - sharing.read) > 0
