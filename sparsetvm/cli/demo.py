"""sparsetvm demo: the main job, end to end."""

EXAMPLE = "sparsetvm demo --json"


def command() -> None:
    """Prune..."""
