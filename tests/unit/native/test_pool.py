"""The pool of native threads: order, bounds, cancellation, and its end. Not here: what is read (test_file_jobs.py)."""

import contextvars
import errno
import gc
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.native.support import Door, Room, Trace, eventually, in_child, open_fds, pool_threads
from treadle._native.file_jobs import read_file
from treadle._native.loop import LoopCore
from treadle._native.pool import Pool, PoolSaturated, Request

MakeRoom = Callable[..., Room]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


def note_name(room: Room, name: object) -> Callable[[object, object], None]:
    return lambda _error, _data: room.log.append(name)


# ---- order


def test_a_callback_runs_in_the_poll_phase(room: Room, file: Path) -> None:
    def on_data(error: OSError | None, data: bytes | None) -> None:
        room.log += [error, data]
        room.loop.set_timeout(room.log.append, 0, "timeout")
        room.loop.set_immediate(room.log.append, "immediate")
        room.loop.queue_microtask(lambda: room.log.append("microtask"))
        room.loop.next_tick(room.log.append, "tick")

    room.read(file, on_data)
    assert room.log == []
    assert room.run() == [None, b"content", "tick", "microtask", "immediate", "timeout"]


def test_microtasks_run_between_two_callbacks_of_one_poll(make_room: MakeRoom, file: Path) -> None:
    room = make_room(1)
    for number in range(3):
        room.read(file, lambda _e, _d, number=number: room.loop.next_tick(room.log.append, f"tick {number}"))  # type: ignore[misc]
        room.read(file, note_name(room, number))
    eventually(room.is_idle, "all six are read")
    assert room.run() == ["tick 0", 0, "tick 1", 1, "tick 2", 2]


def test_a_flood_of_finished_jobs_leaves_room(make_room: MakeRoom, file: Path) -> None:
    """64 in one turn; the rest is next."""
    room = make_room(1)
    for number in range(200):
        room.read(file, note_name(room, number))
    room.loop.set_immediate(room.log.append, "immediate")
    eventually(room.is_idle, "all are read")
    assert room.run() == [*range(64), "immediate", *range(64, 200)]


def test_a_pool_of_one_keeps_the_order(make_room: MakeRoom, tmp_path: Path) -> None:
    room = make_room(1)
    expected: Trace = []
    for number in range(50):
        path = tmp_path / str(number)
        path.write_bytes(b"%d" % number * number * 100)
        expected.append(path.read_bytes())
        room.read(path)
    assert room.run() == expected
    assert room.pool.statistics()["threads"] == 1


def test_one_that_waits_does_not_hold_up_others(make_room: MakeRoom, door: Door, file: Path) -> None:
    room = make_room(2)
    room.read(door.path)
    room.read(file)
    room.run_until(lambda: len(room.log) == 1, "the file is read")
    door.open(b"through the door")
    assert room.run() == [b"content", b"through the door"]


def test_a_callback_runs_in_the_context_of_its_call(room: Room, file: Path) -> None:
    variable = contextvars.ContextVar("variable", default="none")

    def on_data(_error: object, _data: object) -> None:
        room.log.append(variable.get())
        variable.set("changed")

    for value in ("one", "two"):
        contextvars.copy_context().run(lambda value=value: (variable.set(value), room.read(file, on_data)))  # type: ignore[misc]
        room.run()
    assert room.log == ["one", "two"]
    assert variable.get() == "none"


# ---- what holds the program


def test_a_request_holds_the_program(room: Room, file: Path) -> None:
    assert not room.loop.is_alive()
    room.read(file)
    assert room.loop.is_alive()
    assert room.loop.request_refs == 1
    room.run()
    assert not room.loop.is_alive()
    assert room.loop.request_refs == 0


def test_an_idle_pool_does_not(room: Room, file: Path) -> None:
    room.read(file)
    room.run()
    assert room.run() == [b"content"]
    assert room.pool.statistics()["threads"] == 1


# ---- failing callbacks


def test_a_failing_callback_goes_to_the_uncaught_hook(room: Room, file: Path) -> None:
    error = ValueError("from the callback")

    def fail(_error: object, _data: object) -> None:
        room.loop.next_tick(room.log.append, "tick")
        raise error

    def take_care(exception: BaseException) -> bool:
        room.log.append(exception)
        return True

    room.loop.uncaught_hook = take_care
    room.read(file, fail)
    assert room.run() == [error, "tick"]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_an_exception_that_comes_out_loses_no_other_callback(make_room: MakeRoom, file: Path, kind: type[BaseException]) -> None:
    room = make_room(1)

    def fail(_error: object, _data: object) -> None:
        raise kind

    room.read(file, note_name(room, 1))
    room.read(file, fail)
    room.read(file, note_name(room, 3))
    room.read(file, fail)
    room.read(file, note_name(room, 5))
    eventually(room.is_idle, "all five are read")
    for expected in ([1], [1, 3]):
        with pytest.raises(kind):
            room.run()
        assert room.log == expected
    assert room.run() == [1, 3, 5]
    assert room.loop.request_refs == 0


# ---- bounds


def test_a_full_queue_takes_no_more(make_room: MakeRoom, door: Door, file: Path) -> None:
    room = make_room(1, queue_max=2)
    room.read(door.path)
    eventually(lambda: room.has_active(1), "the thread is at the door")
    room.read(file)
    room.read(file)
    with pytest.raises(PoolSaturated) as raised:
        room.read(file)
    assert raised.value.args == (2,)
    assert room.loop.request_refs == 3
    door.open(b"door")
    assert room.run() == [b"door", b"content", b"content"]
    room.read(file)
    assert room.run() == [b"door", b"content", b"content", b"content"]


@pytest.mark.slow
def test_the_queue_takes_65_536(make_room: MakeRoom, door: Door, file: Path) -> None:
    room = make_room(1)
    room.read(door.path)
    eventually(lambda: room.has_active(1), "the thread is at the door")
    waiting = [room.read(file) for _ in range(65_536)]
    with pytest.raises(PoolSaturated) as raised:
        room.read(file)
    assert raised.value.args == (65_536,)
    assert all(room.pool.cancel(request) for request in waiting)
    room.read(file)
    door.open(b"door")
    assert room.run() == [b"door", b"content"]


def test_a_request_that_is_not_taken_leaves_nothing(make_room: MakeRoom, door: Door, file: Path) -> None:
    room = make_room(1, queue_max=1)
    room.read(door.path)
    eventually(lambda: room.has_active(1), "the thread is at the door")
    room.read(file)
    reference = weakref.ref(callback := note_name(room, "never"))
    with pytest.raises(PoolSaturated):
        room.read(file, callback)
    del callback
    assert reference() is None
    assert (room.loop.request_refs, room.pool.statistics()["requests"]) == (2, 2)
    door.open()
    room.run()


STARVED = """
import os, sys, threading, time
from multiprocessing import get_context
from tests.unit.native.support import DEADLINE_S, Room, pool_threads
from treadle._native.python_jobs import run

def burn():
    while True:
        pass

one = {min(os.sched_getaffinity(0))}
room = Room()
room.read("/proc/self/status")
room.run()
for thread in map(int, pool_threads()):
    os.sched_setaffinity(thread, one)
    os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
burning = get_context("fork").Process(target=burn)
burning.start()
os.sched_setaffinity(burning.pid, one)
end_s, has_waited = time.monotonic() + DEADLINE_S, False
while not has_waited and time.monotonic() < end_s:
    gate = threading.Event()
    if sys.argv[1] == "beside":
        run(room.pool, "alone", gate.wait, (), lambda error, result: None, is_alone=True)
        while not room.pool.statistics()["active"]:
            pass
    room.read("/proc/self/status")
    while (now := room.pool.statistics())["queued"] and now["oldest_queued_ns"] < 110_000_000:
        pass
    has_waited = bool(now["queued"])
    room.pool.look_for_saturation()
    gate.set()
    room.run()
print(has_waited, room.pool.statistics()["saturations"])
burning.kill()
burning.join()
room.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("alone", ["none", "beside"])
def test_a_pool_whose_idle_threads_are_not_let_run_is_not_saturated(repository: Path, alone: str) -> None:
    """Whatever runs alone has no thread of the pool."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(repository), str(repository / "src")])}
    done = subprocess.run(
        [sys.executable, "-c", STARVED, alone], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    if done.stdout == "False 0\n":
        pytest.skip("they were let run all the time")
    assert done.stdout == "True 0\n"


NO_THREAD = """
import resource
from pathlib import Path
from tests.unit.native.support import Room

room = Room()
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
limits = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + 2**20, limits[1]))    # too little for the stack of a thread
try:
    room.read(__file__)
except OSError as error:
    print(error.errno, room.loop.request_refs, room.pool)
resource.setrlimit(resource.RLIMIT_AS, limits)
room.read(__file__)
print([len(data) > 0 for data in room.run()])
room.close()
"""


@pytest.mark.slow
def test_not_even_one_thread_can_be_started(repository: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(NO_THREAD)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(repository), str(repository / "src")])}
    done = subprocess.run([sys.executable, program], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"{errno.EAGAIN} 0 <Pool threads=0/4 active=0 queued=0/65_536 requests=0>",
        "[True]",
    ]


# ---- wake-ups


def test_every_idle_thread_takes_a_job(make_room: MakeRoom, tmp_path: Path) -> None:
    room = make_room(4)
    doors = [Door(tmp_path / str(number)) for number in range(4)]
    for _ in range(50):
        for door in doors:
            room.read(door.path)
        eventually(lambda: room.has_active(4), "each thread is at a door")
        for door in doors:
            door.open()
        room.run()
    assert room.log == [b""] * 200
    assert room.pool.statistics()["waits"] == 200


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 4, 32])
def test_no_wake_up_is_lost(make_room: MakeRoom, file: Path, size: int) -> None:
    """Jobs come one by one from the callbacks of others, so that threads and loop fall asleep at any moment."""
    room = make_room(size)
    left = [2_000]

    def on_data(_error: object, _data: object) -> None:
        if left[0]:
            left[0] -= 1
            room.read(file, on_data)
        else:
            room.log.append("one chain ended")

    for _ in range(size):
        room.read(file, on_data)
    assert room.run() == ["one chain ended"] * size
    assert room.pool.statistics()["completed"] == 2_000 + size


# ---- threads


def test_threads_start_when_they_are_needed(make_room: MakeRoom, tmp_path: Path, file: Path) -> None:
    room = make_room(3)
    doors = [Door(tmp_path / str(number)) for number in range(3)]
    assert (room.pool.statistics()["threads"], pool_threads()) == (0, [])
    for count, door in enumerate(doors, 1):
        room.read(door.path)
        eventually(lambda count=count: room.has_active(count), "one more thread is at a door")  # type: ignore[misc]
        eventually(lambda count=count: len(pool_threads()) == count, "it has its name")  # type: ignore[misc]
        assert room.pool.statistics()["threads"] == count
    room.read(file)
    assert (room.pool.statistics()["threads"], room.pool.statistics()["queued"]) == (3, 1)
    for door in doors:
        door.open()
    assert sorted(map(str, room.run())) == ["b''", "b''", "b''", "b'content'"]


@pytest.mark.parametrize("size", [0, -1, 1025])
def test_the_size_is_from_1_to_1024(room: Room, size: int) -> None:
    with pytest.raises(ValueError, match="1024"):
        Pool(room.loop, size)


def test_the_queue_has_room_for_one(room: Room) -> None:
    with pytest.raises(ValueError, match="queue_max"):
        Pool(room.loop, 1, queue_max=0)


def test_threads_leave_signals_to_the_main_thread(room: Room, file: Path) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    room.read(file)
    eventually(lambda: len(pool_threads()) == 1, "there is a thread")
    [thread] = pool_threads()
    lines = Path(f"/proc/self/task/{thread}/status").read_text().splitlines()
    mask = int(next(line.split()[1] for line in lines if line.startswith("SigBlk:")), 16)
    blocked = {number for number in signal.valid_signals() if mask >> (number - 1) & 1}
    never = {signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
    assert blocked == signal.valid_signals() - never
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    room.run()


# ---- cancellation


def test_a_job_that_waits_is_cancelled(make_room: MakeRoom, door: Door, file: Path) -> None:
    room = make_room(1)
    room.read(door.path)
    eventually(lambda: room.has_active(1), "the thread is at the door")
    waiting = [room.read(file, note_name(room, number)) for number in range(5)]
    assert [room.pool.cancel(waiting[number]) for number in (0, 2, 4)] == [True] * 3  # first, middle, last of the queue
    assert room.pool.statistics()["queued"] == 2
    assert waiting[0].cancelled()
    assert not room.pool.cancel(waiting[0])
    door.open(b"door")
    assert room.run() == [b"door", 1, 3]


def test_a_job_that_runs_only_loses_its_callback(room: Room, door: Door) -> None:
    request = room.read(door.path)
    eventually(lambda: room.has_active(1), "the thread is at the door")
    assert not room.pool.cancel(request)
    assert room.run() == []  # it holds the program no longer
    door.open()
    room.run_until(room.is_idle, "the thread is back")
    assert room.run() == []
    assert room.pool.statistics()["completed"] == 0


def test_a_finished_job_loses_its_callback(make_room: MakeRoom, file: Path) -> None:
    room = make_room(1)
    requests: list[Request] = []
    room.read(file, lambda _error, _data: room.log.append(room.pool.cancel(requests[0])))
    requests.append(room.read(file))
    eventually(room.is_idle, "both are read")
    assert room.run() == [False]
    assert room.loop.request_refs == 0


def test_cancelling_what_is_through_is_no_harm(room: Room, file: Path) -> None:
    request = room.read(file)
    room.run()
    assert not room.pool.cancel(request)
    request.cancel()
    assert room.run() == [b"content"]


def test_a_request_cancels_itself(make_room: MakeRoom, door: Door, file: Path) -> None:
    room = make_room(1)
    room.read(door.path)
    request = room.read(file)
    request.cancel()
    assert request.cancelled()
    assert room.pool.statistics()["requests"] == 1
    door.open(b"door")
    assert room.run() == [b"door"]


def test_a_request_of_another_pool_is_left_alone(make_room: MakeRoom, file: Path) -> None:
    mine, other = make_room(), make_room()
    request = mine.read(file)
    with pytest.raises(ValueError, match="another pool"):
        other.pool.cancel(request)
    assert mine.run() == [b"content"]


def test_a_cancelled_request_lets_go_of_its_callback(room: Room, door: Door) -> None:
    class Listener:
        def __call__(self, error: object, data: object) -> None: ...

    listener = Listener()
    reference = weakref.ref(listener)
    request = room.read(door.path, listener)
    eventually(lambda: room.has_active(1), "the thread is at the door")
    del listener
    assert reference() is not None
    request.cancel()
    assert reference() is None
    door.open()


def test_requests_are_made_by_the_pool_only() -> None:
    with pytest.raises(TypeError):
        Request()


# ---- the end of a program


def test_the_end_of_a_program_lets_go_of_callbacks_but_not_of_futures(make_room: MakeRoom, door: Door, file: Path) -> None:
    room = make_room(1)
    reference = weakref.ref(callback := note_name(room, "never"))
    finished = room.read(file, callback)
    eventually(room.is_idle, "the first is read")
    running = room.read(door.path, callback)
    eventually(lambda: room.has_active(1), "the thread is at the door")
    waiting = room.read(file, callback)
    read_file(room.pool, str(file), room.note, is_awaited=True)
    del callback
    room.loop.drop_waiting()
    assert reference() is None
    assert [request.cancelled() for request in (finished, running, waiting)] == [True] * 3
    assert (room.loop.request_refs, room.pool.statistics()["requests"], room.pool.statistics()["queued"]) == (1, 1, 1)
    door.open()
    assert room.run() == [b"content"]


def test_what_is_let_go_of_may_cancel_another(make_room: MakeRoom, door: Door) -> None:
    room = make_room(1)
    requests: list[Request] = []

    class Canceller:
        def __call__(self, error: object, data: object) -> None: ...

        def __del__(self) -> None:
            for request in requests:
                request.cancel()

    for _ in range(3):
        requests.append(room.read(door.path, Canceller()))
    eventually(lambda: room.has_active(1), "the thread is at the door")
    room.loop.drop_waiting()
    assert room.loop.request_refs == 0
    door.open()


# ---- the end of the pool


def test_closing_does_not_wait_for_a_thread_that_is_stuck(make_room: MakeRoom, door: Door, file: Path) -> None:
    room, before = make_room(1), open_fds()
    reference = weakref.ref(callback := note_name(room, "never"))
    room.read(door.path, callback)
    room.read(file, callback)
    del callback
    eventually(lambda: room.has_active(1), "the thread is at the door")
    room.close()
    assert len(open_fds()) == len(before) - 3  # the loop's epoll and eventfd, the pool's eventfd
    assert len(pool_threads()) == 1
    assert reference() is None
    door.open()
    eventually(lambda: not pool_threads(), "the thread ends once it is back")
    assert room.log == []


def test_idle_threads_end_at_once(make_room: MakeRoom, tmp_path: Path) -> None:
    room = make_room(8)
    doors = [Door(tmp_path / str(number)) for number in range(8)]
    for door in doors:
        room.read(door.path)
    for door in doors:
        door.open()
    assert room.run() == [b""] * 8
    eventually(lambda: len(pool_threads()) == 8, "each has begun")
    room.close()
    eventually(lambda: not pool_threads(), "they end")


def test_a_callback_may_close_the_pool(make_room: MakeRoom, file: Path) -> None:
    room = make_room(1)

    def on_data(_error: object, _data: object) -> None:
        room.log.append("closed")
        room.pool.close()

    for _ in range(3):
        room.read(file, on_data)
    eventually(room.is_idle, "all three are read")
    assert room.run() == ["closed"]
    assert room.loop.request_refs == 0
    assert room.pool.fileno() == -1


def test_a_callback_that_is_let_go_may_cancel_another(make_room: MakeRoom, door: Door) -> None:
    room = make_room(2)
    requests: list[Request] = []

    class Canceller:
        def __call__(self, error: object, data: object) -> None: ...

        def __del__(self) -> None:
            for request in requests:
                request.cancel()
                room.pool.cancel(request)

    for _ in range(4):
        requests.append(room.read(door.path, Canceller()))
    eventually(lambda: room.has_active(2), "both threads are at the door")
    room.close()
    door.open()  # for all who wait


def test_a_closed_pool_says_so(make_room: MakeRoom, file: Path) -> None:
    room = make_room()
    request = room.read(file)
    room.close()
    room.pool.close()
    assert not room.pool.cancel(request)
    request.cancel()
    assert repr(room.pool) == "<Pool closed>"
    assert room.pool.statistics()["threads"] == 0
    with pytest.raises(RuntimeError):
        room.read(file)
    with pytest.raises(RuntimeError):
        Pool(room.loop, 1)
    assert room.log == []


def test_a_loop_that_goes_unclosed_takes_its_pool_along(file: Path) -> None:
    before = open_fds()
    loop = LoopCore()
    loop.pool = Pool(loop, 2)
    log: Trace = []
    read_file(loop.pool, str(file), lambda _error, data: log.append(data))
    loop.run_turns(True)
    del loop
    gc.collect()
    eventually(lambda: not pool_threads(), "its threads end")
    assert (log, open_fds()) == ([b"content"], before)


def test_a_pool_that_outlives_its_loop_is_of_no_use_and_no_harm(file: Path) -> None:
    before = open_fds()
    loop = LoopCore()
    pool = Pool(loop, 2)
    request = read_file(pool, str(file), print)
    del loop
    gc.collect()
    with pytest.raises(RuntimeError):
        read_file(pool, str(file), print)
    assert repr(pool).endswith("requests=1>")
    request.cancel()
    pool.close()
    del pool
    request.cancel()
    eventually(lambda: not pool_threads(), "its threads end")
    assert open_fds() == before


# ---- forks


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_starts_afresh(make_room: MakeRoom, door: Door, file: Path) -> None:
    room = make_room(1)
    room.read(door.path)
    inherited = room.read(file)
    eventually(lambda: room.has_active(1), "the thread is at the door")

    def child() -> bool:
        assert repr(room.pool) == "<Pool inherited>"
        assert not room.pool.cancel(inherited)
        assert room.loop.request_refs == 0
        assert room.pool.statistics()["threads"] == 0
        room.read(file)
        assert room.run() == [b"content"]
        room.close()
        eventually(lambda: not pool_threads(), "its own threads end")
        return True

    assert in_child(child) == 0
    door.open(b"door")
    assert room.run() == [b"door", b"content"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("act", ["close", "statistics", "read", "drop", "end", "run", "watch", "repr"])
def test_nothing_hangs_in_a_forked_child(make_room: MakeRoom, door: Door, file: Path, act: str) -> None:
    room = make_room(1)
    room.read(door.path)
    eventually(lambda: room.has_active(1), "the thread is at the door")

    def child() -> bool:
        if act == "close":
            room.close()
        elif act == "drop":
            del room.pool, room.loop
            gc.collect()
        elif act == "read":
            room.read(file)
            room.close()
        elif act == "end":
            room.loop.drop_waiting()
        elif act == "run":
            assert room.run() == []  # only the parent's request held it
        elif act == "watch":
            room.loop._add_reader(os.pipe()[0], print)
            assert room.loop.request_refs == 0
        elif act == "repr":
            repr(room.pool)
        else:
            room.pool.statistics()
        return True

    assert in_child(child) == 0
    door.open(b"door")
    assert room.run() == [b"door"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_in_a_timer(room: Room, door: Door) -> None:
    """In the child the parent's request holds the program no longer, also when the poll is next."""
    children: list[int] = []

    def fork() -> None:
        children.append(os.fork())
        if children[0] == 0:
            signal.alarm(20)
        else:
            assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
            door.open(b"door")

    room.read(door.path)
    room.loop.set_timeout(fork, 1)
    try:
        room.run()
    finally:
        if children == [0]:
            os._exit(0 if room.log == [] else 1)
    assert room.log == [b"door"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_in_a_callback(make_room: MakeRoom, file: Path) -> None:
    """The other callbacks of this poll are the parent's; the child goes on with a pool of its own."""
    room = make_room(1)
    children: list[int] = []

    def on_data(_error: object, _data: object) -> None:
        children.append(os.fork())
        if children[0] == 0:
            room.read(file, note_name(room, "in the child"))

    room.read(file, on_data)
    room.read(file, note_name(room, "in the parent"))
    eventually(room.is_idle, "both are read")
    try:
        room.run()
    finally:
        if children == [0]:
            os._exit(0 if room.log == ["in the child"] and room.loop.request_refs == 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
    assert room.log == ["in the parent"]


# ---- statistics


def test_statistics_count_what_waits_and_what_is_done(make_room: MakeRoom, door: Door, file: Path) -> None:
    room = make_room(1)
    room.read(door.path)
    eventually(lambda: room.has_active(1), "the thread is at the door")
    for _ in range(3):
        room.read(file)
    statistics = room.pool.statistics()
    times = {name: ns for name, ns in statistics.items() if name.endswith("_ns")}
    assert sorted(times) == ["oldest_active_ns", "oldest_queued_ns", "wait_max_ns", "wait_total_ns"]
    assert {name: count for name, count in statistics.items() if name not in times} == {
        "size": 1,
        "threads": 1,
        "active": 1,
        "queued": 3,
        "queued_max": 3,
        "queue_max": 65_536,
        "requests": 4,
        "completed": 0,
        "at_once": 0,
        "saturations": 0,
        "oldest_active_kind": "fs.read_file",
        "oldest_queued_kind": "fs.read_file",
        "waits": 1,
    }
    assert 0 < times["wait_max_ns"] <= times["wait_total_ns"]
    assert 0 < times["oldest_queued_ns"] < times["oldest_active_ns"]
    door.open()
    room.run()
    statistics = room.pool.statistics()
    counted = {name: statistics[name] for name in ("active", "queued", "requests", "completed", "waits")}
    assert counted == {"active": 0, "queued": 0, "requests": 0, "completed": 4, "waits": 4}
    assert statistics["wait_max_ns"] < statistics["wait_total_ns"]
    assert statistics["oldest_active_ns"] == statistics["oldest_queued_ns"] == 0


def test_statistics_are_a_picture_that_stays(room: Room, file: Path) -> None:
    before = room.pool.statistics()
    room.read(file)
    room.run()
    assert before["completed"] == 0
    with pytest.raises(TypeError):
        before["completed"] = 1  # type: ignore[index]


def test_the_oldest_in_the_queue_grows_older(make_room: MakeRoom, door: Door, file: Path) -> None:
    room = make_room(1)
    room.read(door.path)
    eventually(lambda: room.has_active(1), "the thread is at the door")
    room.read(file)
    first = room.pool.statistics()["oldest_queued_ns"]
    room.read(file)  # a younger one changes nothing
    assert room.pool.statistics()["oldest_queued_ns"] > first
    door.open()
    room.run()


def test_its_repr_tells_how_full_it_is(make_room: MakeRoom, tmp_path: Path, file: Path) -> None:
    room = make_room(2)
    doors = [Door(tmp_path / str(number)) for number in range(2)]
    assert repr(room.pool) == "<Pool threads=0/2 active=0 queued=0/65_536 requests=0>"
    for door in doors:
        room.read(door.path)
    eventually(lambda: room.has_active(2), "both threads are at a door")
    for _ in range(1_000):
        room.read(file)
    assert repr(room.pool) == "<Pool threads=2/2 active=2 queued=1_000/65_536 requests=1_002>"
    for door in doors:
        door.open()
    room.run()
    room.close()
    assert repr(room.pool) == "<Pool closed>"
