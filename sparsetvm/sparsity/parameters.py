"""What a structure's parameters may be: whole numbers and rates from 1, groups of up to 32."""

from numbers import Integral, Real

from ..errors import StructureError

LARGEST_GROUP = 32


def check_whole(structure: str, up_to: int | None = None, **values: object) -> None:
    """Raise StructureError unless each value is a whole number from 1 (to `up_to`)."""
    for name, value in values.items():
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not whole or value < 1 or (up_to is not None and value > up_to):
            end = f"1 to {up_to}" if up_to is not None else "1 up"
            raise StructureError(f"{structure}: {name} is a whole number from {end}; got {value!r}")


def check_rate(structure: str, **values: object) -> None:
    """Raise StructureError unless each value is a number from 1 up: 3.6 keeps 1 of 3.6."""
    for name, value in values.items():
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not number or not 1 <= value < float("inf"):
            raise StructureError(
                f"{structure}: {name} says how many times fewer stay, from 1 up; got {value!r}"
            )


def check_group(structure: str, group: object, block: object) -> None:
    """Raise StructureError unless `group` is from 1 to 32 and `block` is None or from 1 up."""
    check_whole(structure, LARGEST_GROUP, group=group)
    if block is not None:
        check_whole(structure, block=block)
