"""What the suites need, made on demand under .suites/: a virtual environment for this interpreter, and the suites' sources.

treadle itself is the checkout, by a .pth file: its core was compiled in place before. Invariant: a stamp is written after the
work that it vouches for. What cannot be had is told by Unavailable, with the reason and what to do; the others run without it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
WORK = REPOSITORY / ".suites"
REQUIREMENTS = HERE / "requirements.txt"
WEBSOCKETS_REPOSITORY = "https://github.com/python-websockets/websockets"
FETCH_S = 600.0  # one download


class Unavailable(Exception):
    """A suite cannot be run here; the text says why, and what would help."""


class Environment:
    """The virtual environment of this very interpreter, and where the sources lie."""

    def __init__(self) -> None:
        self.directory = WORK / f"venv-{sys.version_info.major}.{sys.version_info.minor}"
        self.python = self.directory / "bin" / "python"

    def prepare(self) -> None:
        """Make it, or bring it up to date. Raises SystemExit with pip's last words."""
        stamp = self.directory / ".installed"
        wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        print(f"# installing into {self.directory.relative_to(REPOSITORY)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", self.directory], check=True)
        failure = self._pip("install", "--prefer-binary", "-r", str(REQUIREMENTS))
        if failure:
            raise SystemExit(f"pip could not install {REQUIREMENTS.relative_to(REPOSITORY)}: {failure}")
        packages = next(self.directory.glob("lib/python*/site-packages"))
        (packages / "treadle-checkout.pth").write_text(f"{REPOSITORY / 'src'}\n")
        stamp.write_text(wanted)

    def source(self, name: str) -> Path:
        """The unpacked source distribution of a package, in the version that is installed. Raises Unavailable."""
        version = version_of(name)
        directory = WORK / f"{name}-{version}"
        if not directory.exists():
            downloads = WORK / "downloads"
            failure = self._pip("download", "--no-deps", "--no-binary", name, "-d", str(downloads), f"{name}=={version}")
            if failure:
                raise Unavailable(f"the source distribution of {name} {version} cannot be downloaded: {failure}")
            with tarfile.open(downloads / f"{name}-{version}.tar.gz") as archive:
                archive.extractall(WORK, filter="data")
        return directory

    def tests_apart(self, name: str) -> Path:
        """A folder with nothing but the tests of a source distribution: what they import is what is installed; pytest finds no
        settings, neither theirs nor this repository's."""
        apart = WORK / f"{name}-{version_of(name)}-tests"
        if not apart.exists():
            shutil.copytree(self.source(name) / "tests", apart / "tests")
            (apart / "pytest.ini").write_text("[pytest]\n")
        return apart

    def websockets(self) -> Path:
        """The checkout that WEBSOCKETS_TESTS names, or a clone of the tag. Raises Unavailable."""
        given = os.environ.get("WEBSOCKETS_TESTS")
        version = version_of("websockets")
        if given:
            if not (Path(given) / "tests" / "asyncio").is_dir():
                raise Unavailable(f"WEBSOCKETS_TESTS={given} holds no tests/asyncio")
            return Path(given).resolve()
        checkout = WORK / f"websockets-{version}"
        if not checkout.exists():
            clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", version, WEBSOCKETS_REPOSITORY, str(checkout)]
            failure = last_words(clone)
            if failure:
                raise Unavailable(
                    f"its tests are in its repository only, and that cannot be cloned: {failure}. "
                    f"WEBSOCKETS_TESTS=/checkout/of/tag/{version} names a copy"
                )
        return checkout

    def _pip(self, *arguments: str) -> str | None:
        return last_words([str(self.python), "-m", "pip", "--disable-pip-version-check", "-q", *arguments])


def version_of(name: str) -> str:
    """The version that requirements.txt asks for."""
    found = re.search(rf"^{re.escape(name)}==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE)
    if found is None:
        raise LookupError(f"{name} has no version in {REQUIREMENTS}")
    return found[1]


def last_words(command: list[str]) -> str | None:
    """None where the command worked, else the last line that it wrote."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=FETCH_S,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    return (done.stdout.strip().splitlines() or ["no word"])[-1]
