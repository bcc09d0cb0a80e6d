"""A peer's worker process seen from here: started, asked, watched for death and silence, ended."""

import json
import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from .environments import install_line, interpreter, package_root
from .peers import Peer
from .peers.peer import OURS

LOAD_SECONDS = 300.0
RUN_SECONDS = 120.0
"""How long a load or a block of runs may stay silent before the peer is given up."""


class PeerFailed(Exception):
    """A peer that cannot be measured; the text is the reason that the result gives."""


@dataclass(frozen=True)
class Block:
    """Some inferences in a row."""

    ms: tuple[float, ...]
    cpu_seconds: float
    """Processor time that the peer used."""
    waited_seconds: float
    """Time that its threads were ready to run but others had the core."""


class PeerProcess:
    """Load `model` in `peer`'s own process; use it in a `with` so that it ends whatever happens.

    The files it leaves beside the model: NAME.outputs.npz, and NAME.log with what it printed.
    """

    def __init__(self, name: str, peer: Peer, model: Path, inputs: Path, threads: int):
        self.peer = peer
        self._log = model.parent / f"{name}.log"
        self._outputs = model.parent / f"{name}.outputs.npz"
        self._unread = b""
        python = interpreter(peer)
        if python is None:
            raise self._not_installed(f"there is no {peer.environment}")
        command = [python, "-m", "sparsetvm.bench.worker", peer.name, model, inputs, self._outputs]
        settings = {
            "PYTHONPATH": str(_import_path(peer, model.parent)),
            "OMP_NUM_THREADS": str(threads),
            **peer.settings,
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*map(str, command), "--threads", str(threads)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                cwd=model.parent,
                env=os.environ | settings,
            )
        self.pid = self._process.pid
        try:
            self.version: str = self._answer(LOAD_SECONDS)["ready"]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "PeerProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def run(self, runs: int) -> Block:
        """One inference to warm up, then `runs` that are timed."""
        try:
            self._process.stdin.write(json.dumps({"run": runs}).encode() + b"\n")
        except BrokenPipeError:
            raise PeerFailed(self._last_words()) from None
        answer = self._answer(RUN_SECONDS)
        return Block(tuple(answer["ms"]), answer["cpu_seconds"], answer["waited_seconds"])

    def outputs(self) -> list[np.ndarray]:
        with np.load(self._outputs) as arrays:
            return [arrays[name] for name in arrays.files]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _answer(self, seconds: float) -> dict:
        answer = json.loads(self._read_line(seconds))
        if "missing" in answer:
            raise self._not_installed(answer["missing"])
        if "error" in answer:
            raise PeerFailed(answer["error"].splitlines()[0])
        return answer

    def _read_line(self, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    raise PeerFailed(f"gave no answer in {seconds:g} s")
                received = os.read(self._process.stdout.fileno(), 1 << 16)
                if not received:
                    raise PeerFailed(self._last_words())
                self._unread += received
        line, self._unread = self._unread.split(b"\n", 1)
        return line

    def _not_installed(self, reason: str) -> PeerFailed:
        return PeerFailed(f"not installed ({reason}); install it: {install_line(self.peer)}")

    def _last_words(self) -> str:
        code = self._process.wait()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        printed = self._log.read_text(errors="replace").strip().splitlines()
        return f"its process ended {how}" + (f": {printed[-1]}" if printed else "")


def _import_path(peer: Peer, folder: Path) -> Path:
    """What a foreign environment may import beside its own: our package, not its neighbours."""
    if peer.environment == OURS:
        return package_root()
    link = folder / "package" / "sparsetvm"
    if not link.exists():
        link.parent.mkdir()
        link.symlink_to(package_root() / "sparsetvm")
    return link.parent
