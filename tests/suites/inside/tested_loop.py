"""Every loop that asyncio makes in this process is of the class named by SUITES_LOOP (module:Class), and is counted.

The factory of the default policy is replaced, so that asyncio.new_event_loop, Runner, run and IsolatedAsyncioTestCase make it;
and, where a suite names the classes themselves, asyncio.SelectorEventLoop and EventLoop.
"""

import asyncio
import importlib
import os

made = 0


def _named(spec):
    module, _, name = spec.partition(":")
    return getattr(importlib.import_module(module), name)


SPEC = os.environ["SUITES_LOOP"]
TARGET = _named(SPEC)  # before anything is replaced: the stock loop goes by a name that is


class _Meta(type):
    """Calling the class makes the loop under test; what is asked of the class is asked of that loop's."""

    def __call__(cls, *_, **__):
        global made
        made += 1
        return TARGET()

    def __instancecheck__(cls, instance):
        return isinstance(instance, TARGET)

    def __subclasscheck__(cls, subclass):
        return issubclass(subclass, TARGET)

    def __getattr__(cls, name):
        return getattr(TARGET, name)


class LoopUnderTest(metaclass=_Meta):
    """Stands for TARGET. A selector that it is called with is dropped."""


def replace_in_policy():
    """asyncio.new_event_loop makes the loop under test."""
    for module in (asyncio, asyncio.unix_events):
        for name in ("DefaultEventLoopPolicy", "_DefaultEventLoopPolicy"):  # 3.14 has it underscored
            policy = vars(module).get(name)
            if policy is not None:
                policy._loop_factory = LoopUnderTest


def replace_classes():
    """asyncio's own names for its loop mean the loop under test."""
    for name in ("SelectorEventLoop", "EventLoop"):
        if hasattr(asyncio, name):
            setattr(asyncio, name, LoopUnderTest)
