"""How messages name filters and input channels."""

from collections.abc import Sequence


def name_filters(filters: Sequence[int], verb: str) -> str:
    """'filter 3 keeps', 'filters 8 to 15 keep' or, far apart, 'filters 1, 4, 9, 12, … keep'."""
    return f"{_name('filter', filters)} {verb}{'s' if len(filters) == 1 else ''}"


def name_channels(channels: Sequence[int]) -> str:
    """'input channel 3' or 'input channels 4 to 7'."""
    return _name("input channel", channels)


def _name(noun: str, numbers: Sequence[int]) -> str:
    first, last = numbers[0], numbers[-1]
    if len(numbers) == 1:
        return f"{noun} {first}"
    if last - first == len(numbers) - 1:
        return f"{noun}s {first} to {last}"
    return f"{noun}s {', '.join(map(str, numbers[:4]))}{', …' if len(numbers) > 4 else ''}"
