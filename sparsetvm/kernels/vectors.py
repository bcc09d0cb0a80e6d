"""Vectors of neighbouring elements as expressions: loaded, taken apart, put together, combined."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._tvm import T, tirx


@dataclass(frozen=True)
class Vectors:
    """Expressions of `lanes` float32 each; what is used more than once is bound to a variable."""

    lanes: int

    def at(self, start):
        """The index of the lanes from `start` on."""
        return tirx.Ramp(start, 1, self.lanes)

    def load(self, buffer, *place):
        """The lanes of `buffer` from `place` on."""
        return T.bind(buffer[(*place[:-1], self.at(place[-1]))])

    def apart(self, vectors: Sequence) -> list:
        """Every n-th element of n vectors in a row (n a power of two).

        0 1 2 3 | 4 5 6 7   ->   0 2 4 6 | 1 3 5 7
        """
        if len(vectors) == 1:
            return list(vectors)
        pairs = list(zip(vectors[::2], vectors[1::2]))
        halves = [
            self.apart([self._pick(pair, range(i, i + 2 * self.lanes, 2)) for pair in pairs])
            for i in (0, 1)
        ]
        return [vector for pair in zip(*halves) for vector in pair]

    def together(self, vectors: Sequence) -> list:
        """The inverse of `apart`."""
        if len(vectors) == 1:
            return list(vectors)
        both = [i + side * self.lanes for i in range(self.lanes) for side in (0, 1)]
        halves = [both[: self.lanes], both[self.lanes :]]
        rows = zip(self.together(vectors[::2]), self.together(vectors[1::2]))
        return [self._pick(pair, half) for pair in rows for half in halves]

    def moved(self, vector, following, element: int):
        """All lanes but the first, then one element of the vector that follows in memory."""
        return self._pick((vector, following), [*range(1, self.lanes), self.lanes + element])

    def transform(self, matrix: np.ndarray, vectors: Sequence) -> list:
        """matrix @ vectors. Neighbours that differ in signs only, rows or columns, share their
        sums and differences."""
        matrix, vectors = matrix.astype(float), list(vectors)
        for j in range(len(vectors) - 1):
            a, b = matrix[:, j], matrix[:, j + 1]
            if np.all(abs(a) == abs(b)) and np.any(a * b < 0) and np.any(a * b > 0):
                vectors[j : j + 2] = (
                    T.bind(vectors[j] + vectors[j + 1]),
                    T.bind(vectors[j] - vectors[j + 1]),
                )
                matrix[:, j], matrix[:, j + 1] = (a + b) / 2, (a - b) / 2
        results, i = [], 0
        while i < len(matrix):
            a, b = matrix[i], matrix[min(i + 1, len(matrix) - 1)]
            same, opposite = (a + b) / 2, (a - b) / 2
            if np.all(abs(a) == abs(b)) and same.any() and opposite.any():
                x, y = self._combine(same, vectors), self._combine(opposite, vectors)
                results += [T.bind(x + y), T.bind(x - y)]
                i += 2
            else:
                results.append(self._combine(a, vectors))
                i += 1
        return results

    def sums(self, vectors: Sequence):
        """The sum of each vector's lanes, one beside the other (n vectors, n a power of two).

        0 1 2 3 | 4 5 6 7   ->   1 5 9 13   ->   6 22
        """
        vectors, width, wanted = list(vectors), self.lanes, len(vectors)
        while len(vectors) > 1 or width > wanted:
            single = len(vectors) == 1
            pairs = [vectors] if single else zip(vectors[::2], vectors[1::2])
            ends, width = (width, width // 2) if single else (2 * width, width)
            vectors = [
                T.bind(self._pick(pair, range(0, ends, 2)) + self._pick(pair, range(1, ends, 2)))
                for pair in pairs
            ]
        return vectors[0]

    def _combine(self, factors: np.ndarray, vectors: Sequence):
        """The sum of factor * vector; one that is just added comes first."""
        terms = [pair for pair in zip(factors, vectors) if pair[0]]
        (factor, vector), *rest = sorted(terms, key=lambda pair: (pair[0] != 1, pair[0] < 0))
        total = vector if factor == 1 else self._all(factor) * vector
        for factor, vector in rest:
            term = vector if abs(factor) == 1 else self._all(abs(factor)) * vector
            total = total + term if factor > 0 else total - term
        return T.bind(total)

    def _all(self, number: float):
        return T.Broadcast(T.float32(number), self.lanes)

    def _pick(self, pair, lanes):
        return T.bind(T.Shuffle(list(pair), list(lanes)))
