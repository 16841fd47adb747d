"""A pytest plugin for granian's suite: its tests start the server under test, as a process, where they would start granian.

Their own ways to start one, a coroutine context manager in conftest.py and another in test_uds.py, are replaced by one that takes
the same. What the server has no flag for ends it at once, and its words are the reason of the failure.
"""

import asyncio
import contextlib
import socket
import subprocess
import sys
from pathlib import Path

from live_server import IS_TREADLE, command

START_S = 20.0
END_S = 5.0
FIXTURES = Path("tests") / "fixtures"


def _flags(interface, tls, tls_proto, static_mount, static_rewrite, uds_permissions):
    """In the words of both servers; of what only one has, in its."""
    flags = []
    if tls:
        prefix = "p" if tls == "private" else ""
        flags += [
            "--ssl-certfile",
            FIXTURES / "tls" / f"{prefix}cert.pem",
            "--ssl-keyfile",
            FIXTURES / "tls" / f"{prefix}key.pem",
        ]
        if tls == "private":
            flags += ["--ssl-keyfile-password", "foobar"]
        if tls_proto:
            flags += ["--ssl-min-version", tls_proto]
    if static_mount:
        mounts = [("/static", "static")] if static_mount is True else static_mount
        for route, folder in mounts:
            flags += ["--static", f"{route}={FIXTURES / folder}"]
        if static_rewrite:
            flags += ["--static-index", "index.txt"]
    if uds_permissions is not None:
        flags += ["--uds-mode", oct(uds_permissions)[2:]]
    if interface == "wsgi" and not IS_TREADLE:
        flags += ["--interface", "wsgi"]
    return [str(flag) for flag in flags]


@contextlib.asynccontextmanager
async def _server(
    interface, *where_and_mode, tls=False, tls_proto=None, static_mount=False, static_rewrite=False, uds_permissions=None, **_
):
    """As granian's conftest has it (interface, port, runtime_mode, ...), and test_uds.py (interface, runtime_mode, ...)."""
    if interface == "rsgi":
        raise NotImplementedError("RSGI is granian's own interface")
    flags = _flags(interface, tls, tls_proto, static_mount, static_rewrite, uds_permissions)
    port = next((one for one in where_and_mode if isinstance(one, int)), None)
    where = ["--uds", "granian.sock"] if port is None else ["--port", str(port)]
    process = subprocess.Popen(
        command(f"tests.apps.{interface}:app", *where, *flags), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        await _answering(process, port)
        yield port
    finally:
        process.terminate()
        try:
            process.communicate(timeout=END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


async def _answering(process, port):
    loop = asyncio.get_running_loop()
    end_s = loop.time() + START_S
    while process.poll() is None and loop.time() < end_s:
        family, address = (socket.AF_UNIX, "granian.sock") if port is None else (socket.AF_INET, ("127.0.0.1", port))
        with socket.socket(family) as client, contextlib.suppress(OSError):
            client.connect(address)
            return
        await asyncio.sleep(0.02)
    said = process.communicate()[0].strip().splitlines() if process.poll() is not None else ["it does not listen"]
    raise RuntimeError(f"the server did not start: {said[-1] if said else 'without a word'}")


def pytest_collection_modifyitems(items):
    for module in {item.module for item in items} | {module for name, module in sys.modules.items() if name.endswith("conftest")}:
        if hasattr(module, "_server"):
            module._server = _server
