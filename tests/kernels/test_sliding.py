"""How images are cut into tiles: what is read once, what fits."""

from sparsetvm.kernels.frame import Flat, Frame, Window
from sparsetvm.kernels.sliding import Slide, flat_raster, slide

KERNEL = Window((1, 3, 3), before=(0, 1, 1))


def raster(size: tuple[int, int], channels: int = 3):
    pitch = (1, *(n + 1 for n in size))
    return flat_raster(Flat(Frame(1, pitch, pitch[2] + 1), channels, (1, *size)))


def test_a_vector_is_read_once_for_all_lines_that_use_it():
    place = raster((32, 32))
    cut = Slide(place, place, KERNEL, lanes=16, lines=4)

    assert len(cut.reads) == (4 + 2) * 3
    assert sum(map(len, cut.reads.values())) == 4 * 9
    assert sorted(cut.reads[(33, 0)]) == [(0, 7), (1, 4), (2, 1)]  # the line below the first


def test_even_and_odd_elements_come_from_the_same_vectors():
    strided = Window((1, 1, 3), (1, 2, 2), (0, 0, 1))
    cut = Slide(raster((32, 64)), raster((16, 32)), strided, lanes=16, parity=0)

    assert list(cut.reads) == [(-2, 1), (0, 0), (0, 1)]  # pixels -1, 0 and 1


def test_short_lines_share_a_vector():
    place = raster((7, 7))
    cut = slide(place, place, KERNEL, lanes=16)

    assert (cut.folded, cut.column, cut.lines) == (2, 4, 4)


def test_vectors_narrow_until_no_write_leaves_the_row():
    tight = flat_raster(Flat(Frame(1, (1, 3, 10), 0), 1, (1, 3, 10)))  # 30 pixels in a row of 32

    assert slide(tight, tight, Window((1, 1, 1)), lanes=16).lanes == 8


def test_a_stride_of_three_takes_one_pixel_at_a_time():
    window = Window((1, 1, 1), (1, 1, 3))

    assert slide(raster((4, 30)), raster((4, 10)), window, lanes=16).lanes == 1
