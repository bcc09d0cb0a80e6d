"""Cores go to who is due first, as few as it needs; long runs give way among each other."""

import threading
from itertools import pairwise

import pytest

from sparsetvm.runtime.cores import Claim, Cores, Stopped, divide
from sparsetvm.runtime.stream import now

PATIENCE = 60
LONG, SHORT = (0.050, 0.028), (0.003,)


def claim(name, due, seconds, **settings):
    return Claim(name, 0, due, seconds, **settings)


def running(name, due, seconds, cores, **settings):
    found = claim(name, due, seconds, **settings)
    found.cores = cores
    return found


def names(shares):
    return {claim.name: width for claim, width in shares.items()}


def test_who_is_due_first_goes_first():
    claims = [claim("late", 3.0, SHORT), claim("soon", 1.0, SHORT), claim("next", 2.0, SHORT)]
    assert names(divide(claims, 2, at=0.0)) == {"soon": 1, "next": 1, "late": 0}


def test_a_higher_priority_goes_before_any_deadline():
    claims = [claim("soon", 1.0, SHORT), claim("dear", 9.0, SHORT, priority=1)]
    assert names(divide(claims, 1, at=0.0)) == {"dear": 1, "soon": 0}


def test_a_net_gets_a_second_core_if_one_is_too_slow():
    claims = [claim("long", 0.040, LONG), claim("short", 0.041, SHORT)]
    assert names(divide(claims, 2, at=0.0)) == {"long": 2, "short": 0}


def test_what_is_in_time_on_one_core_leaves_the_other():
    claims = [claim("long", 0.060, LONG), claim("short", 0.061, SHORT)]
    assert names(divide(claims, 2, at=0.0)) == {"long": 1, "short": 1}


def test_a_core_that_nobody_needs_goes_to_who_gains_from_it():
    assert names(divide([claim("long", 1.0, LONG)], 2, at=0.0)) == {"long": 2}
    assert names(divide([claim("flat", 1.0, (0.050, 0.049))], 2, at=0.0)) == {"flat": 1}


def test_who_leaves_room_takes_no_core_that_it_does_not_need():
    wide = (0.003, 0.0016)
    assert names(divide([claim("short", 1.0, wide)], 2, at=0.0)) == {"short": 2}
    modest = [claim("short", 1.0, wide, leaves_room=True)]
    assert names(divide(modest, 2, at=0.0)) == {"short": 1}
    modest = [claim("short", 0.0025, wide, leaves_room=True)]
    assert names(divide(modest, 2, at=0.0)) == {"short": 2}


def test_what_lies_behind_counts():
    half = running("long", 0.030, LONG, (0,), gives_way=True)
    half.done = 0.5
    shares = divide([half, claim("short", 0.031, SHORT)], 2, at=0.0)
    assert names(shares) == {"long": 1, "short": 1}


def test_what_does_not_give_way_keeps_its_core():
    claims = [running("holder", 9.0, SHORT, (0,)), claim("soon", 1.0, SHORT)]
    assert names(divide(claims, 1, at=0.0)) == {"holder": 1, "soon": 0}


def in_thread(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def test_a_long_run_gives_way_to_a_more_urgent_long_one_and_goes_on_later():
    spans = []
    cores = Cores([7], lambda *span: spans.append(span))
    long = claim("long", now() + 9, LONG, gives_way=True)
    sooner = claim("sooner", now() + 1, LONG, gives_way=True)
    cores.take(long)
    cores.give_way(long)  # nobody else is there
    cores.take(sooner)
    assert (long.cores, sooner.cores) == ((), (7,))
    waiting = in_thread(cores.give_way, long)
    waiting.join(0.05)
    assert waiting.is_alive()
    cores.leave(sooner)
    waiting.join(PATIENCE)
    assert long.cores == (7,)
    cores.leave(long)
    assert [(name, core) for name, _, core, _, _ in spans] == [
        ("long", 7),
        ("sooner", 7),
        ("long", 7),
    ]
    assert all(before[4] <= after[3] for before, after in pairwise(spans))


def test_a_wide_run_shrinks_when_another_comes_and_grows_again():
    cores = Cores([0, 1], lambda *span: None)
    wide = claim("wide", now() + 9, LONG, gives_way=True)
    other = claim("other", now() + 1, SHORT, gives_way=True)
    cores.take(wide)
    assert sorted(wide.cores) == [0, 1]
    cores.take(other)
    assert len(wide.cores) == 1
    assert sorted(wide.cores + other.cores) == [0, 1]
    cores.leave(other)
    assert sorted(wide.cores) == [0, 1]


def test_short_runs_have_all_cores_beside_long_ones():
    cores = Cores([0, 1], lambda *span: None)
    wide = claim("wide", now() + 1, LONG, gives_way=True)
    shorts = [claim(name, now() + 2, SHORT) for name in "ab"]
    for each in (wide, *shorts):
        cores.take(each)
    assert sorted(wide.cores) == [0, 1]
    assert sorted(shorts[0].cores + shorts[1].cores) == [0, 1]


def test_who_gets_a_core_stays_where_it_is(monkeypatch):
    monkeypatch.setattr("sparsetvm.runtime.cores.current_cpu", lambda: 1)
    cores = Cores([0, 1], lambda *span: None)
    first, second = claim("first", now() + 9, SHORT), claim("second", now() + 9, SHORT)
    cores.take(first)
    cores.take(second)
    assert (first.cores, second.cores) == ((1,), (0,))


def test_what_does_not_give_way_is_waited_for():
    cores = Cores([0], lambda *span: None)
    first, second = claim("first", now() + 9, SHORT), claim("second", now() + 1, SHORT)
    cores.take(first)
    waiting = in_thread(cores.take, second)
    waiting.join(0.05)
    assert waiting.is_alive()
    cores.leave(first)
    waiting.join(PATIENCE)
    assert second.cores == (0,)


def test_a_stopped_run_ends_at_its_next_step():
    cores = Cores([0], lambda *span: None)
    run = claim("run", now() + 1, SHORT, gives_way=True)
    cores.take(run)
    cores.stop(run)
    with pytest.raises(Stopped):
        cores.give_way(run)
    cores.leave(run)
    other = claim("other", now() + 1, SHORT)
    cores.take(other)
    assert other.cores == (0,)
