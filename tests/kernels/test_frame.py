"""Frames: margins that neighbours share are wide enough, and no wider."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from sparsetvm.kernels.frame import ALIGN, Flat, Frame, Window


def test_pixels_lie_line_by_line_with_a_margin_between():
    flat = Flat(Frame(batch=2, pitch=(1, 3, 4), reach=5), channels=1, size=(1, 2, 3))

    assert flat.index[:, 0].tolist() == [[[0, 1, 2], [4, 5, 6]], [[12, 13, 14], [16, 17, 18]]]
    assert flat.positions == 19


@given(st.integers(1, 5), st.tuples(*[st.integers(1, 40)] * 3), st.integers(0, 90))
def test_rows_hold_their_images_and_begin_at_vectors(batch, pitch, reach):
    frame = Frame(batch, pitch, reach)

    assert frame.row >= batch * np.prod(pitch)
    assert frame.guard >= reach
    assert frame.row < ALIGN or frame.row % ALIGN == 0
    assert frame.guard % ALIGN == 0


def test_long_rows_are_an_odd_number_of_cache_lines():
    assert Frame(1, (1, 64, 64), 0).row == 4096 + 16


def test_a_strided_window_reads_phases():
    window = Window(kernel=(1, 1, 3), stride=(1, 1, 2), before=(0, 0, 1))

    assert window.taps == [((0, 0, 1), (0, 0, -1)), ((0, 0, 0), (0, 0, 0)), ((0, 0, 1), (0, 0, 0))]
    assert window.phases == ((0, 0, 0), (0, 0, 1))
    assert window.phase_size((1, 1, 7)) == (1, 1, 4)


@pytest.mark.parametrize(
    "window, size, output, pitch",
    [
        (Window((1, 3, 3), before=(0, 1, 1)), (1, 5, 6), (1, 5, 6), (1, 6, 7)),
        (Window((1, 5, 5), before=(0, 2, 2)), (1, 5, 6), (1, 5, 6), (1, 7, 8)),
        (Window((1, 3, 3)), (1, 5, 6), (1, 3, 4), (1, 5, 6)),
        (Window((1, 1, 1)), (1, 5, 6), (1, 5, 6), (1, 5, 6)),
        (Window((1, 3, 3), before=(0, 2, 2), dilation=(1, 2, 2)), (1, 5, 6), (1, 5, 6), (1, 7, 8)),
        (Window((1, 3, 3), (1, 2, 2), (0, 1, 1)), (1, 5, 6), (1, 3, 3), (1, 4, 4)),
    ],
    ids=str,
)
def test_a_pitch_has_room_for_the_widest_margin_alone(window, size, output, pitch):
    assert window.pitch(size, output) == pitch
