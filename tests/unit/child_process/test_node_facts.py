"""The same programs as in record_node_facts.js, under the same names; what the child and each of its streams log must be what
Node left in node_facts.json. Where treadle means to differ there is a test in tests/integration/child_process instead."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.unit.net.support import DEADLINE_S
from treadle import child_process, process
from treadle.child_process import ChildProcess, exec, exec_file, spawn
from treadle.events import EventEmitter
from treadle.timers import set_timeout

RECORDED = json.loads(Path(__file__).with_name("node_facts.json").read_text())["logs"]
MISSING = "treadle-has-no-such-program"
NO_DIRECTORY = "/treadle/has/no/such/directory"


def plain(value: object) -> object:
    if isinstance(value, treadle.TreadleError):
        return value.code
    if isinstance(value, OSError):
        assert value.errno is not None
        return errno.errorcode[value.errno]
    if isinstance(value, Exception):
        return str(value)
    if isinstance(value, bytes):
        return f"bytes {value.decode()}"
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


class Log:
    """A log for each emitter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs: dict[str, list[list[object]]] = {}
        self.later: list[Callable[[], object]] = []

    def child(self, *values: object) -> None:
        self.logs.setdefault("child", []).append([plain(value) for value in values])

    def raised(self, what: str, call: Callable[[], object]) -> None:
        try:
            call()
        except (treadle.TreadleError, OSError) as error:
            self.child(what, error)
        else:
            self.child(what, "nothing")

    def on(self, stream: EventEmitter, name: str, *, reads: bool = True) -> None:
        entries = self.logs.setdefault(name, [])
        data = bytearray()

        def note(event: str, *values: object) -> None:
            if event == "end" and reads:
                entries.append(["data", len(data) if len(data) > 100 else data.decode()])
            entries.append([event, *map(plain, values)])

        if reads:
            stream.on("data", data.extend)
        for event in ("end", "error", "close"):
            stream.on(event, lambda *values, event=event: note(event, *values))

    def watch(self, child: ChildProcess, *, reads: bool = True) -> ChildProcess:
        for event in ("spawn", "exit", "close", "error"):
            child.on(event, lambda *values, event=event: self.child(event, *values))
        for name in ("stdin", "stdout", "stderr"):
            if (stream := getattr(child, name)) is not None:
                self.on(stream, name, reads=reads and name != "stdin")
        return child

    def sh(self, script: str, **options: Any) -> ChildProcess:
        return self.watch(spawn("sh", ["-c", script], **options))

    def told(self, error: Exception | None, result: child_process.ExecResult[Any]) -> None:
        facts: object = error
        if isinstance(error, treadle.TreadleError) and error.code in ("ERR_CHILD_PROCESS_FAILED", "ERR_TIMED_OUT"):
            facts = [error.data["exit_code"], error.data["killed"], error.data["signal_code"]]
        elif error is not None:
            facts = [error]
        self.child("callback", facts, *result)


def names(child: ChildProcess) -> list[bool]:
    return [stream is not None for stream in (child.stdin, child.stdout, child.stderr)]


def drop(_: object) -> None:
    """What a listener must not return."""


def it_ends(log: Log) -> None:
    log.watch(spawn("true"))


def it_ends_with_a_code(log: Log) -> None:
    log.sh("exit 3")


def a_signal_ends_it(log: Log) -> None:
    log.sh("kill -KILL $$")


def it_is_not_there(log: Log) -> None:
    log.watch(spawn(MISSING))


def it_is_no_program(log: Log) -> None:
    log.watch(spawn("/etc/passwd"))


def its_directory_is_not_there(log: Log) -> None:
    log.watch(spawn("true", cwd=NO_DIRECTORY))


def its_directory_is_a_file(log: Log) -> None:
    log.raised("cwd", lambda: spawn("true", cwd="/etc/passwd"))


def fields(log: Log) -> None:
    child = log.watch(spawn("sh", ["-c", "exit 0"]))
    assert isinstance(child.pid, int)
    log.child("number", child.exit_code, child.signal_code, child.killed, child.spawnfile, child.spawnargs, len(child.stdio))
    child.on("exit", lambda *_: log.child(child.exit_code, child.signal_code, child.killed))


def fields_of_one_that_was_not_started(log: Log) -> None:
    child = log.watch(spawn(MISSING, ["x"]))
    log.child(child.pid, child.exit_code, child.kill(), child.killed, child.spawnfile, child.spawnargs, names(child))
    child.on("close", lambda *_: log.child(child.exit_code, child.signal_code))


def nobody_listens_for_its_error(log: Log) -> None:
    def uncaught(error: Exception) -> None:
        log.child("uncaught", error)

    process.on("uncaught_exception", uncaught)
    log.later.append(lambda: process.off("uncaught_exception", uncaught))
    spawn(MISSING)


def killed(log: Log) -> None:
    child = log.watch(spawn("sleep", ["60"]))
    log.child(child.kill(), child.killed)


def killed_by_name(log: Log) -> None:
    child = log.watch(spawn("sleep", ["60"]))
    log.child(child.kill("SIGINT"), child.killed)


def killed_by_number(log: Log) -> None:
    child = log.watch(spawn("sleep", ["60"]))
    log.child(child.kill(9), child.killed)


def asked_whether_it_is_there(log: Log) -> None:
    child = log.watch(spawn("sleep", ["60"]))
    log.child(child.kill(0), child.killed, child.kill())
    child.on("close", lambda *_: log.child(child.kill(0), child.kill(), child.killed))


def an_unknown_signal(log: Log) -> None:
    child = spawn("true")
    log.raised("kill", lambda: child.kill("SIGNOTHING"))
    log.raised("kill_signal", lambda: spawn("true", kill_signal="SIGNOTHING"))


def one_that_heeds_no_sigterm(log: Log) -> None:
    child = log.sh('trap "" TERM; echo ready; exec sleep 60')
    assert child.stdout is not None

    def ready(_: bytes) -> None:
        log.child(child.kill())
        set_timeout(lambda: log.child(child.kill("SIGKILL")), 50)

    child.stdout.once("data", ready)


def timeout(log: Log) -> None:
    log.watch(spawn("sleep", ["60"], timeout=50))


def timeout_with_a_signal_of_its_own(log: Log) -> None:
    log.watch(spawn("sleep", ["60"], timeout=50, kill_signal="SIGHUP"))


def timeout_that_is_not_reached(log: Log) -> None:
    log.watch(spawn("true", timeout=60000))


def aborted(log: Log) -> None:
    controller = treadle.AbortController()
    child = log.watch(spawn("sleep", ["60"], signal=controller.signal))
    child.on("error", lambda error: log.child(error.__cause__, child.killed))
    set_timeout(lambda: controller.abort(Exception("why")), 30)


def aborted_before(log: Log) -> None:
    controller = treadle.AbortController()
    controller.abort()
    log.watch(spawn("sleep", ["60"], signal=controller.signal))


def aborted_behind_its_end(log: Log) -> None:
    controller = treadle.AbortController()
    log.watch(spawn("true", signal=controller.signal)).on("close", lambda *_: controller.abort())


def what_goes_in_comes_out(log: Log) -> None:
    child = log.watch(spawn("cat"))
    assert child.stdin is not None
    child.stdin.end("hello")


def more_than_a_pipe_holds(log: Log) -> None:
    child = log.watch(spawn("cat"))
    assert child.stdin is not None
    child.stdin.end("x" * 1000000)


def both_outputs(log: Log) -> None:
    log.sh("echo out; echo err >&2")


def nobody_reads_a_little(log: Log) -> None:
    log.watch(spawn("echo", ["hi"]), reads=False)


def nobody_reads_a_lot(log: Log) -> None:
    log.watch(spawn("head", ["-c", "3000000", "/dev/zero"], timeout=100), reads=False)


def paused_until_its_end(log: Log) -> None:
    child = log.watch(spawn("echo", ["hi"]), reads=False)
    stdout = child.stdout
    assert stdout is not None
    stdout.pause()
    child.on("exit", lambda *_: log.child(stdout.is_paused()))


def text(log: Log) -> None:
    child = log.watch(spawn("printf", ["grün"]), reads=False)
    assert child.stdout is not None
    child.stdout.set_encoding("utf8").on("data", log.child)


def it_closes_its_input(log: Log) -> None:
    child = log.sh("exec 0<&-; echo closed; sleep 0.2")
    stdin, stdout = child.stdin, child.stdout
    assert stdin is not None
    assert stdout is not None
    stdout.once("data", lambda _: drop(stdin.write("x", callback=lambda error: log.child("written", error))))


def written_behind_its_end(log: Log) -> None:
    child = log.watch(spawn("true"))
    stdin = child.stdin
    assert stdin is not None
    child.on("close", lambda *_: log.child(stdin.write("x", callback=lambda error: log.child("written", error))))


def a_grandchild_holds_its_pipes(log: Log) -> None:
    child = log.sh("sleep 0.3 & exit 0")
    child.on("exit", lambda *_: drop(set_timeout(log.child, 30, "later")))


def ignored(log: Log) -> None:
    child = log.watch(spawn("cat", stdio="ignore"))
    log.child(names(child), len(child.stdio))


def ignored_one_by_one(log: Log) -> None:
    child = log.watch(spawn("cat", stdio=["ignore", "pipe", "ignore"]))
    log.child(names(child))


def a_short_list(log: Log) -> None:
    child = log.watch(spawn("true", stdio=[None]))
    log.child(names(child), len(child.stdio))


def more_than_three(log: Log) -> None:
    script = 'echo to3 >&3; read x <&3; echo "$x" >&4'
    child = log.watch(spawn("sh", ["-c", script], stdio=["pipe", "ignore", "ignore", "pipe", "pipe"]))
    _, _, _, three, four = child.stdio
    assert three is not None
    assert four is not None
    log.on(three, "three")
    log.on(four, "four")
    three.write("back\n")
    child.on("exit", lambda *_: drop(three.end()))


def more_than_three_ignored(log: Log) -> None:
    child = log.sh("(echo x >&3) 2>/dev/null || echo closed", stdio=["ignore", "pipe", "pipe", "ignore"])
    log.child(len(child.stdio), child.stdio[3])


def a_descriptor(log: Log) -> None:
    with open("/etc/hostname", "rb") as file:
        child = log.sh("read x && echo read", stdio=[file.fileno(), "pipe", "pipe"])
    log.child(names(child))


def wrong_stdio(log: Log) -> None:
    log.raised("word", lambda: spawn("true", stdio="nothing"))
    log.raised("closed", lambda: spawn("true", stdio=["pipe", 977]))
    log.raised("object", lambda: spawn("true", stdio=["pipe", {}]))


def shell(log: Log) -> None:
    child = log.watch(spawn("echo a b; exit 4", shell=True))
    log.child(child.spawnfile, child.spawnargs)


def shell_by_path(log: Log) -> None:
    child = log.watch(spawn("echo $0", shell="/bin/sh"))
    log.child(child.spawnfile, child.spawnargs)


def not_there_for_the_shell(log: Log) -> None:
    log.watch(spawn(f"{MISSING} 2>/dev/null", shell=True))


def argv0(log: Log) -> None:
    child = log.watch(spawn("sh", ["-c", "echo $0"], argv0="another"))
    log.child(child.spawnfile, child.spawnargs)


def environment(log: Log) -> None:
    log.watch(spawn("/usr/bin/env", env={"TREADLE_A": "1"}))


def the_path_of_its_environment(log: Log) -> None:
    log.watch(spawn("true", env={"PATH": "/treadle/has/none"}))


def directory(log: Log) -> None:
    log.watch(spawn("pwd", cwd="/usr"))


def a_program_in_its_directory(log: Log) -> None:
    log.watch(spawn("./env", ["true"], cwd="/usr/bin"))


def detached(log: Log) -> None:
    child = log.watch(spawn("sh", ["-c", 'cut -d" " -f6 /proc/$$/stat'], detached=True), reads=False)
    assert child.stdout is not None
    child.stdout.on("data", lambda data: log.child(int(data) == child.pid))


def unrefed(log: Log) -> None:
    child = log.watch(spawn("sleep", ["0.3"], stdio="ignore", detached=True)).unref()
    pid = child.pid
    assert pid is not None
    log.later.append(lambda: os.waitpid(pid, 0))


def unrefed_and_refed(log: Log) -> None:
    log.watch(spawn("sleep", ["0.1"], stdio="ignore")).unref().ref()


def signals_have_their_default(log: Log) -> None:
    log.sh("kill -PIPE $$")


def wrong_arguments(log: Log) -> None:
    wrong: Any = 5
    log.raised("empty", lambda: spawn(""))
    log.raised("number", lambda: spawn(wrong))
    log.raised("nul", lambda: spawn("a\0b"))
    log.raised("nul in args", lambda: spawn("true", ["a\0b"]))
    log.raised("args", lambda: spawn("true", "abc"))
    log.raised("cwd", lambda: spawn("true", cwd=wrong))
    log.raised("timeout", lambda: spawn("true", timeout=-1))
    log.raised("uid", lambda: spawn("true", uid="root"))  # type: ignore[arg-type]
    log.raised("max_buffer", lambda: exec("true", max_buffer=-1))
    log.raised("signal", lambda: spawn("true", signal="x"))  # type: ignore[arg-type]


def exec_(log: Log) -> None:
    log.watch(exec("echo out; echo err >&2", callback=log.told), reads=False)


def exec_that_fails(log: Log) -> None:
    exec("echo out; echo err >&2; exit 3", callback=log.told)


def exec_that_a_signal_ends(log: Log) -> None:
    exec("kill -KILL $$", callback=log.told)


def exec_of_what_is_not_there(log: Log) -> None:
    exec(f"{MISSING} 2>/dev/null", callback=log.told)


def exec_in_no_directory(log: Log) -> None:
    exec("true", cwd=NO_DIRECTORY, callback=log.told)


def exec_file_(log: Log) -> None:
    exec_file("printf", ["%s-%s", "a b", "$x"], callback=log.told)


def exec_file_that_is_not_there(log: Log) -> None:
    exec_file(MISSING, ["x"], callback=log.told)


def exec_file_without_a_shebang(log: Log) -> None:
    script = log.folder / "script"
    script.write_text("echo from $1\n")
    script.chmod(0o755)
    exec_file(script, ["it"], callback=log.told)


def exec_file_in_a_shell(log: Log) -> None:
    exec_file("echo $((1 + 1))", shell=True, callback=log.told)


def exec_timeout(log: Log) -> None:
    exec("echo a; exec sleep 60", timeout=100, callback=log.told)


def exec_timeout_with_a_signal(log: Log) -> None:
    exec("exec sleep 60", timeout=50, kill_signal="SIGKILL", callback=log.told)


def exec_timeout_of_one_that_has_ended(log: Log) -> None:
    exec("sleep 1 & echo a", timeout=100, callback=log.told)


def exec_max_buffer(log: Log) -> None:
    exec("printf 123456; exec sleep 60", max_buffer=5, callback=log.told)


def exec_max_buffer_of_stderr(log: Log) -> None:
    exec("printf 123456 >&2; exec sleep 60", max_buffer=5, callback=log.told)


def exec_max_buffer_that_is_enough(log: Log) -> None:
    exec("printf 12345", max_buffer=5, callback=log.told)


def exec_as_bytes(log: Log) -> None:
    exec("printf abc", encoding=None, callback=log.told)


def exec_as_latin1(log: Log) -> None:
    exec("printf '\\351'", encoding="latin1", callback=log.told)


def exec_of_no_text(log: Log) -> None:
    exec("printf 'a\\377b'", callback=log.told)


def exec_aborted(log: Log) -> None:
    controller = treadle.AbortController()

    def told(error: Exception | None, result: child_process.ExecResult[Any]) -> None:
        log.told(error, result)
        log.child(child.signal_code)

    child = exec("exec sleep 60", signal=controller.signal, callback=told)
    child.on("close", lambda *values: log.child("close", *values))
    set_timeout(controller.abort, 30)


def exec_killed(log: Log) -> None:
    child = exec("exec sleep 60", callback=log.told)
    set_timeout(child.kill, 30, "SIGINT")


def exec_held_by_a_grandchild(log: Log) -> None:
    exec("sleep 0.2 & echo a", callback=log.told).on("exit", lambda *_: log.child("exit"))


def exec_with_input(log: Log) -> None:
    exec("cat", input="in", callback=log.told)


def exec_that_closes_its_outputs(log: Log) -> None:
    exec("exec 1>&- 2>&-; sleep 0.1; exit 1", callback=log.told)


@pytest.mark.slow  # each starts programs
@pytest.mark.parametrize("name", RECORDED)
def test_it_is_what_node_tells(name: str, tmp_path: Path) -> None:
    log = Log(tmp_path)
    program = globals().get(f"{name}_") or globals()[name]

    def main() -> None:
        late = set_timeout(pytest.fail, DEADLINE_S * 1000, f"not within {DEADLINE_S} s")
        late.unref()
        program(log)

    try:
        treadle.run(main)
    finally:
        for step in log.later:
            step()
    assert log.logs == RECORDED[name]
