"""Where a peer's packages live, beside ours or in an environment of their own; found, made here."""

import logging
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from ..errors import FileError
from .peers import Peer, peers
from .peers.peer import OURS

log = logging.getLogger(__name__)


def package_root() -> Path:
    """The folder that holds the package: the checkout, or site-packages."""
    return Path(__file__).resolve().parents[2]


def interpreter(peer: Peer) -> Path | None:
    """The Python that runs `peer`; None where its environment has not been made."""
    if peer.environment == OURS:
        return Path(sys.executable)
    for folder in _homes():
        python = _python_of(folder / peer.environment)
        if python.exists():
            return python
    return None


def install_line(peer: Peer) -> str:
    """What a person types to get the peer."""
    pip = "pip" if peer.environment == OURS else f"{peer.environment}/bin/pip"
    lines = [] if peer.environment == OURS else [f"python -m venv {peer.environment}"]
    if peer.requirements:
        lines.append(f"{pip} install {' '.join(peer.requirements)}")
    if peer.bare_requirements:
        lines.append(f"{pip} install --no-deps {' '.join(peer.bare_requirements)}")
    return " && ".join(lines)


def install_peers(names: Iterable[str] | None = None) -> tuple[Path, ...]:
    """Make or complete the environments of these peers (all by default); returns their folders.

    Packages of peers that live beside ours go into the environment that runs this.
    """
    folders = []
    for peer in [peers[name] for name in (peers if names is None else names)]:
        folder = Path(sys.prefix) if peer.environment == OURS else _homes()[0] / peer.environment
        if not _python_of(folder).exists():
            _call([sys.executable, "-m", "venv", str(folder)], peer)
        pip = [str(_python_of(folder)), "-m", "pip", "install", "--quiet"]
        if peer.requirements:
            _call([*pip, *peer.requirements], peer)
        if peer.bare_requirements:
            _call([*pip, "--no-deps", *peer.bare_requirements], peer)
        folders.append(folder)
    return tuple(dict.fromkeys(folders))


def _call(command: list[str], peer: Peer) -> None:
    log.info("%s: %s", peer.name, " ".join(command))
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise FileError(
            f"{peer.name} could not be installed: {reason}\n  try it by hand: {install_line(peer)}"
        )


def _homes() -> list[Path]:
    """Where environments are looked for: the checkout if this is one, then the working folder."""
    root = package_root()
    return [*([root] if (root / "pyproject.toml").exists() else []), Path.cwd()]


def _python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
