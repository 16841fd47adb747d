"""The same programs as in record_signal_facts.js, under the same names, as real processes: how they end and what they say must be
what Node left in signal_facts.json. The rest of treadle's own is in test_signals.py and test_exit.py."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.support import treadle_command

RECORDED = json.loads(Path(__file__).with_name("signal_facts.json").read_text())["facts"]

HEAD = """
import asyncio, functools, os, sys
from treadle import TreadleError, process, queue_microtask
from treadle.timers import clear_timeout, set_immediate, set_timeout
log = functools.partial(print, flush=True)
pid = process.pid
def on_exit(): process.on("exit", lambda code: log("exit", code))
def boom(text): raise ValueError(text)
def hold():
    global held
    held = set_timeout(int, 60_000)
def go_on(): clear_timeout(held); set_timeout(log, 1, "timer")
async def fail(): boom("boom")
def code_of(function, *args):
    import errno
    try: function(*args)
    except TreadleError as error: log(error.code)
    except OSError as error: log(errno.errorcode[error.errno])
def truth(*values): log(*(str(value).lower() for value in values))
"""

PROGRAMS = {
    "sigterm_ends_it": "on_exit(); hold(); process.kill(pid)",
    "sigint_ends_it": "on_exit(); hold(); process.kill(pid, 'SIGINT')",
    "sighup_ends_it": "on_exit(); hold(); process.kill(pid, 'SIGHUP')",
    "a_listener_gets_name_and_number": (
        "hold(); process.once('SIGUSR2', lambda *args: (log(*args), go_on())); process.kill(pid, 'SIGUSR2')"
    ),
    "in_the_poll_phase": """
process.on('SIGUSR2', lambda *_: (log('signal'), process.next_tick(log, 'tick of the signal')))
set_immediate(log, 'immediate'); process.kill(pid, 'SIGUSR2'); process.next_tick(log, 'tick')
queue_microtask(lambda: log('microtask')); log('main')
""",
    "listeners_do_not_hold_it": "on_exit(); process.on('SIGTERM', log)",
    "a_once_listener_is_gone_when_it_runs": """
hold()
def listener(*_): log('first'); process.kill(pid, 'SIGTERM')
process.once('SIGTERM', listener); process.kill(pid, 'SIGTERM')
""",
    "without_its_last_listener_it_ends_it": """
hold(); process.on('SIGTERM', log); process.on('SIGTERM', int); process.off('SIGTERM', log); process.off('SIGTERM', int)
process.kill(pid, 'SIGTERM')
""",
    "with_one_of_two_listeners_it_does_not": """
def a(*_): log('a')
def b(*_): log('b'); go_on()
hold(); process.on('SIGTERM', a); process.on('SIGTERM', b); process.off('SIGTERM', a); process.kill(pid, 'SIGTERM')
""",
    "remove_all_listeners": (
        "hold(); process.on('SIGTERM', log); process.remove_all_listeners('SIGTERM'); process.kill(pid, 'SIGTERM')"
    ),
    "remove_all_listeners_of_all": (
        "hold(); process.on('SIGTERM', log); process.remove_all_listeners(); process.kill(pid, 'SIGTERM')"
    ),
    "a_sigint_listener_keeps_it_alive": (
        "hold(); process.once('SIGINT', lambda *_: (log('heard'), go_on())); process.kill(pid, 'SIGINT')"
    ),
    "a_listener_exits": "on_exit(); hold(); process.on('SIGTERM', lambda *_: process.exit(3)); process.kill(pid, 'SIGTERM')",
    "a_listener_raises": "on_exit(); hold(); process.on('SIGTERM', lambda *_: boom('boom')); process.kill(pid, 'SIGTERM')",
    "a_listener_raises_and_that_is_handled": """
on_exit(); hold(); process.on('uncaughtException', lambda error: (log(error), go_on()))
process.on('SIGTERM', lambda *_: boom('boom')); process.kill(pid, 'SIGTERM')
""",
    "emitted_by_hand": "process.on('SIGTERM', log); process.emit('SIGTERM', 'SIGTERM', 15)",
    "a_monitor_sees_it_first": """
on_exit(); process.on('uncaughtException', lambda error: log('handled', error))
process.on('uncaughtExceptionMonitor', lambda error: log('seen', error)); boom('boom')
""",
    "a_monitor_handles_nothing": (
        "on_exit(); process.on('uncaughtExceptionMonitor', lambda error: log('seen', error)); boom('boom')"
    ),
    "a_monitor_raises": "on_exit(); process.on('uncaughtExceptionMonitor', lambda _: boom('worse')); boom('boom')",
    "a_handler_raises": "on_exit(); process.on('uncaughtException', lambda _: boom('worse')); boom('boom')",
    "a_handler_raises_in_a_timer": (
        "on_exit(); process.on('uncaughtException', lambda _: boom('worse')); set_timeout(boom, 1, 'boom'); hold()"
    ),
    "a_handler_of_what_an_exit_listener_raises_raises": (
        "process.on('uncaughtException', lambda _: boom('worse')); process.on('exit', lambda _: boom('boom'))"
    ),
    "an_unhandled_rejection_is_heard": """
on_exit()
process.on('unhandledRejection', lambda reason, task: log(reason, 'true' * isinstance(task, asyncio.Task)))
process.next_tick(log, 'tick'); set_immediate(log, 'immediate')
asyncio.get_running_loop().create_task(fail())
""",
    "an_unhandled_rejection_listener_raises": """
on_exit(); process.on('unhandledRejection', lambda *_: boom('worse')); asyncio.get_running_loop().create_task(fail()); hold()
""",
    "an_unhandled_rejection_listener_raises_and_that_is_handled": """
on_exit(); process.on('uncaughtException', log)
process.on('unhandledRejection', lambda *_: boom('worse')); asyncio.get_running_loop().create_task(fail())
""",
    "kill_asks_whether_it_exists": "truth(process.kill(pid, 0)); code_of(process.kill, 4194304 - 1, 0)",
    "kill_of_an_unknown_signal": "for name in ('SIGNOPE', 'sigterm'): code_of(process.kill, pid, name)",
    "kill_of_an_unknown_number": "code_of(process.kill, pid, 9999)",
    "kill_of_no_pid": "code_of(process.kill, 'init')",
    "what_cannot_be_listened_for": """
for name in ('SIGKILL', 'SIGSTOP'): code_of(process.on, name, log)
log(process.listener_count('SIGKILL'))
""",
    "hrtime": """
s, ns = process.hrtime((0, 0)); truth(type(s) is int, ns < 1e9)
for bad in (5, (1,)): code_of(process.hrtime, bad)
a = process.hrtime.bigint(); truth(process.hrtime.bigint() >= a)
""",
}


def test_every_program_is_recorded() -> None:
    assert list(PROGRAMS) == list(RECORDED)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDED)
def test_it_ends_and_speaks_as_in_node(name: str, tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(HEAD + PROGRAMS[name])
    done = subprocess.run([*treadle_command(), "run", file], capture_output=True, text=True, timeout=30, check=False)
    expected = RECORDED[name]
    code = expected["code"] if expected["signal"] is None else -signal.Signals[expected["signal"]]
    assert (done.stdout.splitlines(), done.returncode) == (expected["output"], code), done.stderr
    assert "Traceback" not in done.stderr or code > 0
