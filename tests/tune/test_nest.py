"""Nests say what each level of a candidate's loops covers, whatever its schedule."""

import numpy as np
import pytest

from sparsetvm._tvm import tirx
from sparsetvm.sparsity import features
from sparsetvm.targets import resolve
from sparsetvm.tune.features import gather_of
from sparsetvm.tune.nest import nest_of
from sparsetvm.tune.space import Space


@pytest.fixture(scope="module")
def schedules(task):
    space, rng = Space(task, resolve("cpu", 1)), np.random.default_rng(0)
    return [space.default(), *(space.draw(rng) for _ in range(8))]


def test_the_outermost_level_covers_the_kernel_and_the_innermost_one_multiplication(
    task, schedules
):
    gather = gather_of(task)
    groups, filters, blocks, columns = gather.extents
    for nest in map(nest_of, map(lambda sch: sch.mod, schedules)):
        axes = (nest.groups, nest.filters, nest.columns, nest.lanes)
        assert [axis[0] for axis in axes] == [groups, filters, blocks * columns, gather.lanes]
        assert [axis[-1] for axis in axes] == [1, 1, 1, 1]


def test_each_level_does_its_share_of_the_work(schedules):
    for sch in schedules:
        nest = nest_of(sch.mod)
        work = nest.groups * nest.filters * nest.columns * nest.lanes
        np.testing.assert_array_equal(nest.turns * work, work[0])


def test_inside_the_innermost_loop_all_is_straight_code_and_sums_end_with_their_last_column(
    schedules,
):
    for sch in schedules:
        nest = nest_of(sch.mod)
        kinds = nest.kinds[nest.straight :]
        assert {*kinds} <= {tirx.ForKind.UNROLLED, tirx.ForKind.VECTORIZED}
        assert nest.columns[nest.reduction] == nest.columns[0] > nest.columns[nest.reduction + 1]


@pytest.mark.parametrize("tile", [(1, 1, 16), (2, 5, 16), (3, 9, 1), (4, 12, 48)])
def test_touched_counts_each_element_of_x_once(tile):
    offset = np.sort(np.random.default_rng(0).integers(0, 300, (4, 12)), axis=1)
    groups, columns, lanes = tile
    everything = {
        int(start) + lane for start in offset[:groups, :columns].ravel() for lane in range(lanes)
    }
    assert features.touched(offset, groups, columns, lanes, tiles=1) == len(everything)


def test_runs_and_density_of_offsets():
    offset = np.array([[0, 1, 2, 9], [4, 5, 20, 21]])
    assert features.run_length(offset) == 8 / 4
    assert features.density(offset) == 4 / 8
