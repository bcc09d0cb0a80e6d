"""What arrays are called when two of them would have one name."""

from collections.abc import Container


def unique_name(name: str, taken: Container[str]) -> str:
    """`name` if it is free, else numbered where plans do not look: conv.weight -> conv@2.weight."""
    stem, dot, role = name.rpartition(".")
    free, n = name, 1
    while free in taken:
        n += 1
        free = f"{stem}@{n}.{role}" if dot else f"{name}@{n}"
    return free
