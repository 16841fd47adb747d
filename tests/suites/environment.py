"""What the suites need, made on demand under .suites/: virtual environments for this interpreter, and the suites' sources.

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
    """A virtual environment of this very interpreter, from a file of requirements, and where the sources lie."""

    def __init__(self, name: str = "venv", requirements: Path = REQUIREMENTS) -> None:
        self.requirements = requirements
        self.directory = WORK / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
        self.python = self.directory / "bin" / "python"

    def prepare(self) -> None:
        """Make it, or bring it up to date. Raises SystemExit with pip's last words."""
        stamp = self.directory / ".installed"
        wanted = hashlib.sha256(self.requirements.read_bytes() + sys.version.encode()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        WORK.mkdir(exist_ok=True)
        print(f"# installing into {self.directory.relative_to(REPOSITORY)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", self.directory], check=True)
        failure = self._pip("install", "--prefer-binary", "-r", str(self.requirements))
        if failure:
            raise SystemExit(f"pip could not install {self.requirements.relative_to(REPOSITORY)}: {failure}")
        packages = next(self.directory.glob("lib/python*/site-packages"))
        (packages / "treadle-checkout.pth").write_text(f"{REPOSITORY / 'src'}\n")
        stamp.write_text(wanted)

    def source(self, name: str, *more: str, **variables: str) -> Path:
        """The unpacked source distribution of a package, in the version that is installed. more, variables: for pip, which asks
        the package's own build for its name. Raises Unavailable."""
        version = self.version_of(name)
        directory = WORK / f"{name}-{version}"
        if not directory.exists():
            downloads = WORK / "downloads"
            wanted = ("--no-deps", "--no-binary", name, "-d", str(downloads), f"{name}=={version}")
            failure = self._pip("download", *more, *wanted, **variables)
            if failure:
                raise Unavailable(f"the source distribution of {name} {version} cannot be downloaded: {failure}")
            with tarfile.open(downloads / f"{name}-{version}.tar.gz") as archive:
                archive.extractall(WORK, filter="data")
        return directory

    def tests_apart(self, name: str) -> Path:
        """A folder with nothing but the tests of a source distribution: what they import is what is installed; pytest finds no
        settings, neither theirs nor this repository's."""
        apart = WORK / f"{name}-{self.version_of(name)}-tests"
        if not apart.exists():
            shutil.copytree(self.source(name) / "tests", apart / "tests")
            (apart / "pytest.ini").write_text("[pytest]\n")
        return apart

    def websockets(self) -> Path:
        """The checkout that WEBSOCKETS_TESTS names, or a clone of the tag. Raises Unavailable."""
        given = os.environ.get("WEBSOCKETS_TESTS")
        version = self.version_of("websockets")
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

    def version_of(self, name: str) -> str:
        """The version that the requirements ask for."""
        found = re.search(rf"^{re.escape(name)}(?:\[\w+\])?==(\S+)", self.requirements.read_text(), re.MULTILINE)
        if found is None:
            raise LookupError(f"{name} has no version in {self.requirements}")
        return found[1]

    def _pip(self, *arguments: str, **variables: str) -> str | None:
        return last_words([str(self.python), "-m", "pip", "--disable-pip-version-check", "-q", *arguments], **variables)


def last_words(command: list[str], **variables: str) -> str | None:
    """None where the command worked, else the last line that it wrote. variables: more of them for its environment."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", **variables}
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
