"""The process: next_tick, exit, signals, what it uses, and events that concern all of it. Source:
https://nodejs.org/api/process.html.

    process.on("uncaught_exception", listener)             listener(error): the program goes on
    process.on("uncaught_exception_monitor", listener)     listener(error): before that, and whether or not anybody handles it
    process.on("unhandled_rejection", listener)            listener(reason, task or future): it failed, and nobody asked
    process.on("before_exit", listener)                    listener(code): nothing is left to do; what is scheduled now still runs
    process.on("exit", listener)                           listener(code): synchronous, the last thing
    process.on("warning", listener)                        listener(warning)
    process.on("SIGTERM", listener)                        listener(name, number): and so for every signal

Node's names of these events (uncaughtException ...) are understood as well. Reading and setting `process.exit_code`
works as an attribute of this module. Not here: asyncio's way to signals (the loop's add_signal_handler).
"""

import os
import re
import sys
from types import ModuleType
from typing import Any

from treadle._base.suppliers import supplied
from treadle._base.version import VERSION
from treadle._base.warning import set_warning_observer
from treadle.loop import hooks
from treadle.loop.current import FACES
from treadle.process import _facts
from treadle.process._facts import CpuUsage, MemoryUsage, ResourceUsage, cpu_usage, hrtime, memory_usage, resource_usage, uptime
from treadle.process._process import Process

__all__ = [
    "CpuUsage",
    "MemoryUsage",
    "ResourceUsage",
    "add_listener",
    "arch",
    "argv",
    "chdir",
    "cpu_usage",
    "cwd",
    "emit",
    "emit_warning",
    "env",
    "event_names",
    "exit",
    "exit_code",
    "get_active_resources_info",
    "get_max_listeners",
    "hrtime",
    "kill",
    "listener_count",
    "listeners",
    "memory_usage",
    "next_tick",
    "off",
    "on",
    "once",
    "pid",
    "platform",
    "ppid",
    "prepend_listener",
    "prepend_once_listener",
    "raw_listeners",
    "remove_all_listeners",
    "remove_listener",
    "resource_usage",
    "set_max_listeners",
    "stderr",
    "stdin",
    "stdout",
    "uptime",
    "version",
    "versions",
]

_process = Process()

on = _process.on
add_listener = _process.add_listener
once = _process.once
off = _process.off
remove_listener = _process.remove_listener
prepend_listener = _process.prepend_listener
prepend_once_listener = _process.prepend_once_listener
remove_all_listeners = _process.remove_all_listeners
emit = _process.emit
listeners = _process.listeners
raw_listeners = _process.raw_listeners
listener_count = _process.listener_count
event_names = _process.event_names
set_max_listeners = _process.set_max_listeners
get_max_listeners = _process.get_max_listeners
next_tick = FACES.next_tick
get_active_resources_info = _process.get_active_resources_info
exit = _process.exit
emit_warning = _process.emit_warning
kill = _process.kill

cwd = os.getcwd
chdir = os.chdir
env = os.environ
platform = sys.platform
arch = _facts.ARCH
version = VERSION
versions = _facts.VERSIONS

# Attributes of the module that are properties: see _ProcessModule.
exit_code: int | None
argv: list[str]
pid: int
ppid: int
stdin: Any
stdout: Any
stderr: Any


class _ProcessModule(ModuleType):
    """This module's class, so that `process.exit_code = 1` is checked, argv, pid and ppid are never stale, and a name that is
    none, Node's exitCode above all, is not set in vain."""

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and not hasattr(self, name):
            here = re.sub("[A-Z]", lambda capital: "_" + capital.group().lower(), name)
            hint = f": it is {here} here" if hasattr(self, here) else ""
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}{hint}", name=name, obj=self)
        super().__setattr__(name, value)

    @property
    def exit_code(self) -> int | None:
        return _process.exit_code

    @exit_code.setter
    def exit_code(self, code: int | None) -> None:
        _process.exit_code = code

    @property
    def argv(self) -> list[str]:
        return _process.argv

    @property
    def pid(self) -> int:
        return _process.pid

    @property
    def ppid(self) -> int:
        return _process.ppid

    @property
    def stdin(self) -> Any:
        return supplied("process.stdin")

    @property
    def stdout(self) -> Any:
        return supplied("process.stdout")

    @property
    def stderr(self) -> Any:
        return supplied("process.stderr")


sys.modules[__name__].__class__ = _ProcessModule
set_warning_observer(_process.on_warning)
hooks.uncaught = _process.handle_uncaught
hooks.begin = _process.begin_program
hooks.before_exit = _process.emit_before_exit
hooks.exit = _process.end_program
hooks.unhandled_rejection = _process.handle_unhandled_rejection
hooks.signal = _process.deliver_signal
hooks.signal_dropped = _process.take_signal_back
