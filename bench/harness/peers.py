"""Every server of the HTTP bench: its command line, what it needs, which case it belongs to.

One worker, one thread for requests, no access log, keep-alive without a low limit, backlog 4096, everywhere.
A command may use {port} {run} {python} and the tools of the environment by name ({uvicorn}, {node24}, ...).
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

from . import paths
from .environment import Environment, version_of

TREADLE = "{treadle} serve --host 127.0.0.1 --port {port} --app-dir {apps} --log-level error"
UVICORN = (
    "{uvicorn} --host 127.0.0.1 --port {port} --app-dir {apps} --loop uvloop --http httptools --ws none "
    "--no-access-log --log-level error --timeout-keep-alive 300 --backlog 4096"
)
# granian admits `backpressure` connections and then stops accepting: well above what the load opens.
GRANIAN = (
    "{granian} --host 127.0.0.1 --port {port} --workers 1 --runtime-threads 1 --loop uvloop --http 1 --no-ws "
    "--no-access-log --log-level error --backlog 4096 --backpressure 20000"
)


@dataclass(frozen=True)
class Peer:
    """One server that can be measured."""

    name: str
    case: str
    command: str
    needs: tuple[str, ...]

    def why_not(self, env: Environment) -> str | None:
        """Why this server cannot run here; None when it can."""
        lacking = [f"{tool}: {env.missing.get(tool, 'unknown')}" for tool in self.needs if not env.has(tool)]
        return "; ".join(lacking) or None

    def argv(self, env: Environment, port: int) -> list[str]:
        """The command line for this environment and port."""
        words = {
            **env.tools,
            "port": str(port),
            "python": str(env.venv / "bin" / "python"),
            "apps": str(paths.APPS),
            "peers": str(paths.PEERS),
            "loop": str(paths.LOOP_PROGRAMS),
            "streams": str(paths.STREAM_PROGRAMS),
            "slow": str(paths.SLOW_PROGRAMS),
            "run": str(paths.WORK / "run" / self.name),
        }
        return [word.format_map(words) for word in self.command.split()]


HTTP = (
    Peer("treadle-node", "node-style", "{treadle} run {apps}/node_style.py", ("treadle",)),
    Peer("treadle-unbatched", "node-style", "{treadle} run {apps}/node_unbatched.py", ("treadle",)),
    Peer("c-epoll", "floor", "{epoll_floor}", ("epoll_floor",)),
    Peer("nginx", "floor", "{python} {peers}/nginx_return.py {nginx} {run}", ("nginx",)),
    Peer("node24", "node-style", "{node24} {peers}/node_http.js", ("node24",)),
    Peer("node20", "node-style", "{node20} {peers}/node_http.js", ("node20",)),
    Peer("treadle-asgi", "asgi", TREADLE + " asgi_hello:app", ("treadle",)),
    Peer("uvicorn-asgi", "asgi", UVICORN + " asgi_hello:app", ("uvicorn",)),
    Peer("granian-asgi", "asgi", GRANIAN + " --interface asginl asgi_hello:app", ("granian",)),
    Peer("freastal-asgi", "asgi", "{python} {peers}/freastal_asgi.py", ("freastal",)),
    Peer("treadle-fastapi", "fastapi", TREADLE + " fastapi_hello:app", ("treadle",)),
    Peer("uvicorn-fastapi", "fastapi", UVICORN + " fastapi_hello:app", ("uvicorn",)),
    Peer("granian-fastapi", "fastapi", GRANIAN + " --interface asgi fastapi_hello:app", ("granian",)),
)


def versions(env: Environment) -> dict[str, str]:
    """What exactly was measured."""
    wanted = ("treadle", "httptools", "uvicorn", "uvloop", "rloop", "granian", "freastal", "starlette", "fastapi")
    code = (
        "import importlib.metadata as m, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(name, m.version(name))\n"
        "    except m.PackageNotFoundError: pass"
    )
    python = str(env.venv / "bin" / "python")
    out = subprocess.run([python, "-c", code, *wanted], capture_output=True, text=True, check=True).stdout
    found = dict(line.split() for line in out.splitlines())
    found["python"] = ".".join(map(str, env.python.version))
    for name, flag in {"node24": "--version", "node20": "--version", "nginx": "-v"}.items():
        if env.has(name):
            found[name] = version_of([env.tools[name], flag]).removeprefix("nginx version: ")
    found["kernel"] = os.uname().release
    found["harness python"] = sys.version.split()[0]
    found["revision"] = version_of(["git", "-C", str(paths.REPOSITORY), "describe", "--always", "--dirty"]) or "none"
    return found
