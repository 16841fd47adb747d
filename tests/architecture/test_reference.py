"""Every public name stands in its page of docs/reference, every option of a command in its guide, and every page in the lists."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import click
import pytest

import treadle
from treadle import (
    child_process,
    context,
    crypto,
    diagnostics_channel,
    dns,
    events,
    fs,
    http,
    loop,
    net,
    perf,
    pool,
    streams,
    timers,
    tls,
    zlib,
)
from treadle.cli import main

DOCS = Path(__file__).resolve().parents[2] / "docs"

MEMBERS = {
    "child_process": (child_process.ChildProcess,),
    "context": (context.AsyncLocalStorage, context.AsyncResource),
    "crypto": (crypto.Hash, crypto.Hmac, crypto.Cipheriv, crypto.Decipheriv),
    "diagnostics_channel": (diagnostics_channel.Channel, diagnostics_channel.TracingChannel),
    "dns": (dns.Resolver, dns.LookupStatistics, dns.ResolverStatistics),
    "events": (
        events.EventEmitter,
        events.EventIterator,
        events.EventIteratorStatistics,
        events.AbortController,
        events.AbortSignal,
    ),
    "fs": (fs.FileHandle, fs.Stats, fs.Dirent),
    "http": (
        http.Server,
        http.ServerStatistics,
        http.IncomingMessage,
        http.ServerResponse,
        http.StaticFiles,
        http.Limits,
        http.Timeouts,
    ),
    "loop": (loop.EventLoop,),
    "net": (net.Socket, net.Server, net.SocketStatistics, net.ServerStatistics),
    "perf": (perf.EventLoopUtilization, perf.IntervalHistogram),
    "pool": (pool.PoolStatistics, pool.KindStatistics, pool.LaneStatistics),
    "process": (),
    "tls": (tls.TLSSocket, tls.Server, tls.ServerOptions, tls.ClientOptions, tls.Reloader),
    "streams": (
        streams.Readable,
        streams.Writable,
        streams.Duplex,
        streams.Transform,
        streams.ReadableStatistics,
        streams.WritableStatistics,
        streams.DuplexStatistics,
    ),
    "timers": (timers.Timeout, timers.Immediate),
    "zlib": (zlib.Gzip,),
}
INTERNAL = {  # of EventLoop: for treadle's own packages, as its page says
    "adopt_asyncio", "alarm_clock", "check_call", "check_duration", "close_core", "companions", "drop_waiting",
    "executor_statistics", "explain_failure", "forked",
    "has_heard_signal", "has_own_faces", "held_fds", "is_closed_native", "is_debug", "observe", "poller", "pool", "request_refs",
    "run_turns", "starvation_hook", "stop_accepting", "timers", "trace_call", "tracer", "uncaught_hook", "watcher",
}  # fmt: skip
PACKAGES = {name: importlib.import_module(f"treadle.{name}") for name in MEMBERS}


def code_in(page: str) -> set[str]:
    """Every identifier within backticks, or in a block of code."""
    text = (DOCS / page).read_text()
    return set(re.findall(r"\w+", " ".join(re.findall(r"```.*?```|`[^`]+`", text, re.DOTALL))))


def public_members(kind: type) -> set[str]:
    """Its own, those of its native base, and nothing that a documented base or asyncio brings."""
    known: set[str] = set()
    if kind is not events.EventEmitter and issubclass(kind, events.EventEmitter):
        known = set(dir(events.EventEmitter))
        if kind.__module__.partition(".streams")[1] == "":
            known |= {name for base in MEMBERS["streams"] if issubclass(kind, base) for name in dir(base)}
        if kind.__module__.startswith("treadle.tls."):
            known |= {name for base in MEMBERS["net"] if issubclass(kind, base) for name in dir(base)}
    if kind is loop.EventLoop:
        import asyncio

        known = (set(dir(asyncio.SelectorEventLoop)) - set(vars(kind))) | INTERNAL
    return {name for name in dir(kind) if not name.startswith("_")} - known


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_in_its_page(name: str) -> None:
    wanted = set(PACKAGES[name].__all__).union(*map(public_members, MEMBERS[name]))
    assert wanted - code_in(f"reference/{name}.md") == set()


def test_all_of_asyncios_interface_is_in_the_page_of_the_loop() -> None:
    import asyncio

    wanted = {name for name in dir(asyncio.AbstractEventLoop) if not name.startswith("_")} | {"slow_callback_duration"}
    assert wanted - code_in("reference/loop.md") == set()


def test_the_front_is_in_the_page_of_the_loop() -> None:
    assert set(treadle.__all__) - code_in("reference/loop.md") == set()


def test_the_check_can_say_no() -> None:
    assert "no_such_name" not in code_in("reference/http.md")
    assert {"close_idle_connections", "write_head"} <= public_members(http.Server) | public_members(http.ServerResponse)


@pytest.mark.parametrize(
    ("command", "page"), [("serve", "guide/serve.md"), ("run", "guide/programs.md"), ("trace", "guide/trace.md")]
)
def test_every_option_is_in_the_guide(command: str, page: str) -> None:
    assert isinstance(main, click.Group)
    options = {option for parameter in main.commands[command].params for option in parameter.opts if option.startswith("--")}
    assert options
    text = (DOCS / page).read_text()
    assert {option for option in options if not re.search(rf"{option}(?![\w-])", text)} == set()


def test_defaults_in_the_flags_table_are_those_of_the_command() -> None:
    rows = dict(re.findall(r"^\| `(--[a-z-]+)[^|]*\| ([^|]*?) \|", (DOCS / "guide/serve.md").read_text(), re.MULTILINE))
    for parameter in main.commands["serve"].params:
        default = parameter.default
        if parameter.opts[0].startswith("--") and isinstance(default, int | str) and not isinstance(default, bool) and default:
            assert rows[parameter.opts[0]] == str(default)


@pytest.mark.parametrize("page", ["README.md", "docs/guide/getting-started.md"])
def test_every_page_is_linked_from_where_readers_begin(page: str) -> None:
    text = (DOCS.parent / page).read_text()
    folder = (DOCS.parent / page).parent
    linked = [(folder / target).resolve() for target in re.findall(r"\]\(([^)#]+\.md)\)", text)]
    pages = {*(DOCS / "guide").glob("*.md"), *(DOCS / "reference").glob("*.md")} - {DOCS.parent / page}
    assert {found.name for found in pages - set(linked)} == set()


def test_the_list_of_pages_names_none_twice() -> None:
    _, heading, listed = (DOCS.parent / "README.md").read_text().partition("\n## More\n")
    linked = re.findall(r"\]\((docs/(?:guide|reference)/[^)]+)\)", listed)
    assert heading and [target for target in sorted(set(linked)) if linked.count(target) > 1] == []
