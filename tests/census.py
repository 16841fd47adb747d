"""What is there, and what somebody has left behind: native objects, descriptors, threads, child processes.

Invariant: what is reported has outlived a garbage collection and a wait; what is on its way out is no leak. Not here: when it is
asked (conftest.py), and how native objects are counted (treadle/_native/census.pyx).
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import treadle._native
from treadle._native import census
from treadle._native.emitter import EmitterCore

PATIENCE_S = 10.0  # a thread of an executor that was told to end, a child that was killed; two busy cores are slow at times
SHOWN = 3  # objects of each type


def native_types() -> list[type]:
    """Every class of every native unit."""
    (folder,) = treadle._native.__path__
    units = sorted(path.stem for path in Path(folder).glob("*.pyx"))
    modules = [importlib.import_module(f"treadle._native.{unit}") for unit in units]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and not issubclass(value, BaseException)
    ]


@dataclass(frozen=True)
class Holdings:
    """What this process holds at one moment."""

    objects: Counter[type]
    others: Counter[str]  # descriptors, threads and whether there are children, as a reader wants to see them

    @classmethod
    def now(cls) -> Holdings:
        census.watch_subclasses()
        return cls(Counter(census.alive()) - lasting(), Counter([*descriptors(), *threads(), *children()]))

    def since(self, before: Holdings) -> Holdings:
        """What has been added."""
        return Holdings(self.objects - before.objects, self.others - before.others)

    def __bool__(self) -> bool:
        return bool(self.objects or self.others)

    def __str__(self) -> str:
        lines = [f"{count} {made.__name__} of {made.__module__}{examples(made)}" for made, count in self.objects.items()]
        return "\n".join([*lines, *(f"{count} x {what}" for what, count in sorted(self.others.items()))])


def left_since(before: Holdings) -> Holdings:
    """What has come since then and does not go away."""
    left = Holdings.now().since(before)
    if left:
        gc.collect()  # slow, and mostly not needed
        end_s = time.monotonic() + PATIENCE_S
        while (left := Holdings.now().since(before)) and time.monotonic() < end_s:  # a thread that is ending may hold objects
            select.select([], [], [], 0.005)
            gc.collect()
    return left


def lasting() -> Counter[type]:
    """What lives as long as its interpreter, from its first import on: Node's functions, and the process, which is an emitter."""
    faces = getattr(sys.modules.get("treadle.loop.current"), "FACES", None)
    process = getattr(sys.modules.get("treadle.process"), "_process", None)
    return Counter([made for made, thing in ((type(faces), faces), (EmitterCore, process)) if thing is not None])


def examples(made: type) -> str:
    """Some of its instances; those that the garbage collector does not know are not found."""
    gc.unfreeze()  # it may be among what was set aside
    found = [item for item in gc.get_objects() if issubclass(type(item), made)]  # isinstance would ask __class__
    return "".join(f"\n    {item!r}" for item in found[:SHOWN])


def descriptors() -> list[str]:
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(f"descriptor {fd}: {os.readlink(f'/proc/self/fd/{fd}')}")
        except FileNotFoundError:  # the one of this very listing
            pass
    return found


def threads() -> list[str]:
    """By name alone: the one of pytest's faulthandler is another in each test."""
    found = []
    for thread in os.listdir("/proc/self/task"):
        try:
            found.append(f"thread {Path(f'/proc/self/task/{thread}/comm').read_text().strip()}")
        except (FileNotFoundError, ProcessLookupError):  # it has ended since
            pass
    return found


def children() -> list[str]:
    """Whether there are any, also such as have ended and nobody has waited for: to tell which would take a look at every process
    of the machine. Where there were some before, as in a module that shares a server, one more is the module's to find."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return []
    return ["child processes"]
