"""Numbers that took long to find, kept in a file of the user's: a second plan finds them there."""

import hashlib
import json
from collections.abc import Mapping
from statistics import fmean

from ..errors import FileError
from ..files import write_whole
from ..tune.connect import default_path


class Known:
    """A table from facts, whatever a number depends on, to that number.

    known.add({(layer, structure, device): 1.21})
    known.get((layer, structure, device))              # 1.21, also in the next process
    """

    def __init__(self) -> None:
        self.path = default_path().with_name("codesign.json")
        self._numbers = self._read()

    def get(self, facts: tuple) -> float | None:
        """None: not known yet."""
        return self._numbers.get(_key(facts))

    def add(self, numbers: Mapping[tuple, list[float]]) -> None:
        """Keep the mean of each list, beside what other processes kept meanwhile."""
        new = {_key(facts): fmean(values) for facts, values in numbers.items()}
        self._numbers = self._read() | new
        text = json.dumps(self._numbers, indent=0)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, lambda path: path.write_text(text), overwrite=True)

    def _read(self) -> dict[str, float]:
        try:
            return json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as err:
            raise FileError(
                f"cannot read {self.path}: {err}\n  remove it; it is measured again"
            ) from err


def _key(facts: tuple) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
