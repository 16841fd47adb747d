"""The starvation guard of the phases: a phase with a flood of callbacks ends before its time, what it leaves behind runs first in
the next such phase, and everything below the limits runs as if there were no guard.

A callback that computes stands for many that took as long, so that what is asserted are numbers of callbacks. Not here: floods of
ticks and microtasks (test_starvation.py)."""

import asyncio
import itertools
import os
import socket
import time
import weakref
from collections.abc import Callable, Iterator

import pytest

import treadle
from tests.unit.loop.support import DEADLINE_S, Pipe, Trace, in_io, run, run_for_ever, spin

Loop = treadle.EventLoop

GUARD_CALLBACKS = 1_000  # of Node's kind in one phase
GUARD_SOON = 128  # of asyncio's
GUARD_HANDLES = 16  # descriptors in one phase
LOOK_EVERY = 64  # callbacks between two looks at the clock
GUARD_MS = 10  # ... that also took this long

CAUSES = ["ticks", "soon", "timers", "pending", "poll", "check", "close"]


def the_one_named(caplog: pytest.LogCaptureFixture) -> tuple[str, str]:
    """What flooded the loop, and who fed it, by the one entry of the log."""
    (record,) = caplog.records
    assert isinstance(record.args, tuple)
    return str(record.args[0]), str(record.args[2])


def cuts(loop: Loop) -> dict[str, int]:
    """How often the guard stepped in, by what it cut."""
    counted = loop.statistics()
    by_cause = {cause: counted[f"guard_turns_{cause}"] for cause in CAUSES}
    assert sum(by_cause.values()) == counted["guard_turns"]
    return {cause: number for cause, number in by_cause.items() if number}


class Flood:
    """Callbacks which note their number; a few of them compute for longer than the guard allows a phase."""

    def __init__(self, *slow: int) -> None:
        self.ran: list[int] = []
        self._slow = slow

    def __call__(self, number: int) -> None:
        if number in self._slow:
            spin(2 * GUARD_MS)
        self.ran.append(number)


def schedule_timeouts(loop: Loop, flood: Flood, count: int) -> None:
    """All due at once, when the loop runs."""
    for number in range(count):
        loop.set_timeout(flood, 1, number)
    spin(2)


def schedule_alarms(loop: Loop, flood: Flood, count: int) -> None:
    """The same, of call_at, each for a time of its own."""
    start_s = loop.time()
    for number in range(count):
        loop.call_at(start_s + number * 1e-6, flood, number)
    spin(2)


# -- immediates


def test_a_flood_of_immediates_leaves_room_for_timers_and_io(idle_loop: Loop, pipe: Pipe) -> None:
    seen: dict[str, int] = {}
    loop = idle_loop
    flood = Flood(100)

    def first() -> None:
        loop.set_timeout(lambda: seen.setdefault("timer", len(flood.ran)), 1)
        in_io(loop, pipe, lambda: seen.setdefault("io", len(flood.ran)))

    loop.set_immediate(first)
    for number in range(5_000):
        loop.set_immediate(flood, number)
    run(loop)
    assert flood.ran == list(range(5_000))
    assert seen["timer"] == seen["io"]
    assert GUARD_CALLBACKS <= seen["timer"] + 1 < GUARD_CALLBACKS + LOOK_EVERY
    assert set(cuts(loop)) == {"check"}


def test_immediates_keep_their_order_across_a_cut(idle_loop: Loop) -> None:
    """Those left behind come before those that were made meanwhile."""
    loop = idle_loop
    ran: list[str] = []
    count = 2_000

    def one(number: int) -> None:
        ran.append(f"{number}")
        if number == 100:
            spin(2 * GUARD_MS)
        loop.set_immediate(ran.append, f"nested {number}")

    for number in range(count):
        loop.set_immediate(one, number)
    loop.set_timeout(lambda: loop.set_immediate(ran.append, "of the timer"), 1)
    spin(2)
    run(loop)
    nested = [f"nested {number}" for number in range(count)]
    nested.insert(0, "of the timer")  # due in the first turn, so that it stood there before
    in_order = [*map(str, range(count)), *nested]
    assert sorted(ran) == sorted(in_order)
    assert [name for name in ran if not name.startswith(("nested", "of"))] == in_order[:count]
    assert [name for name in ran if name.startswith("nested")] == nested[1:]
    assert cuts(loop)["check"] >= 1


def test_every_microtask_of_a_cut_immediate_runs_before_timers(idle_loop: Loop) -> None:
    loop = idle_loop
    trace: Trace = []
    flood = Flood(100)

    def one(number: int) -> None:
        flood(number)
        loop.next_tick(trace.append, number)

    def timer() -> None:
        trace.append("timer")
        assert trace[:-1] == flood.ran

    loop.set_immediate(lambda: loop.set_timeout(timer, 1))
    for number in range(2_000):
        loop.set_immediate(one, number)
    run(loop)
    assert trace.index("timer") < 2_000
    assert flood.ran == list(range(2_000))


def test_what_immediates_queue_counts(idle_loop: Loop) -> None:
    """One immediate with nine ticks is ten callbacks."""
    loop = idle_loop
    flood = Flood(10)
    seen: list[int] = []

    def one(number: int) -> None:
        flood(number)
        for _ in range(9):
            loop.next_tick(int)

    loop.set_immediate(lambda: loop.set_timeout(lambda: seen.append(len(flood.ran)), 1))
    for number in range(1_000):
        loop.set_immediate(one, number)
    run(loop)
    assert GUARD_CALLBACKS / 10 <= seen[0] + 1 < (GUARD_CALLBACKS + LOOK_EVERY) / 10 + 1
    assert flood.ran == list(range(1_000))


def test_immediates_that_multiply_leave_room(idle_loop: Loop) -> None:
    """Each makes two more: no phase would ever be short again."""
    loop = idle_loop
    ran = 0
    seen: list[int] = []
    end_s = time.monotonic() + DEADLINE_S

    def again() -> None:
        nonlocal ran
        ran += 1
        if ran % 500 == 0:
            spin(GUARD_MS)
        if len(seen) < 5 and ran < 100_000 and time.monotonic() < end_s:
            loop.set_immediate(again)
            loop.set_immediate(again)

    interval = loop.set_interval(lambda: seen.append(ran), 1).unref()
    again()
    run(loop)
    interval.close()
    assert len(seen) >= 5
    gaps = [after - before for before, after in itertools.pairwise(seen)]
    assert max(gaps) < GUARD_CALLBACKS + LOOK_EVERY


def test_bare_yields_are_asyncios_and_wait_after_128(idle_loop: Loop) -> None:
    loop = idle_loop
    ran = 0
    seen: list[int] = []
    may_end = False

    async def task() -> None:
        nonlocal ran
        while not may_end:
            await asyncio.sleep(0)
        ran += 1
        if ran == LOOK_EVERY + 10:
            spin(2 * GUARD_MS)

    def let_them_end() -> None:  # by now all of them yield in one phase
        nonlocal may_end
        may_end = True
        loop.set_timeout(lambda: seen.append(ran), 1)

    for _ in range(1_000):
        loop.create_task(task())
    loop.set_timeout(let_them_end, 100)
    run(loop)
    assert ran == 1_000
    assert GUARD_SOON <= seen[0] < GUARD_SOON + LOOK_EVERY
    assert cuts(loop)["check"] >= 1


@pytest.mark.parametrize("is_endless", [True, False])
def test_few_slow_immediates_are_a_stall(idle_loop: Loop, is_endless: bool) -> None:
    loop = idle_loop
    left = 8

    def again() -> None:
        nonlocal left
        spin(GUARD_MS)
        left -= 1
        if is_endless and left > 0:
            loop.set_immediate(again)

    for _ in range(1 if is_endless else 8):
        loop.set_immediate(again)
    for _ in range(GUARD_CALLBACKS - 9):
        loop.set_immediate(int)
    run(loop)
    assert left == 0
    assert cuts(loop) == {}


def test_the_rest_of_unrefd_immediates_is_not_forgotten(idle_loop: Loop) -> None:
    """In Node the whole phase would have run, and then the program ends."""
    loop = idle_loop
    flood = Flood(100)
    loop.set_immediate(flood, -1)
    for number in range(2_000):
        loop.set_immediate(flood, number).unref()
    run(loop)
    assert flood.ran == list(range(-1, 2_000))
    assert set(cuts(loop)) == {"check"}


def test_cancelled_ones_of_the_rest_do_not_run(idle_loop: Loop) -> None:
    loop = idle_loop
    flood = Flood(100)
    made = [loop.set_immediate(flood, number) for number in range(2_000)]

    def cancel() -> None:
        assert len(flood.ran) < 2_000
        for immediate in made[len(flood.ran) :]:
            immediate.close()

    loop.set_immediate(int)
    loop.set_timeout(lambda: loop.set_timeout(cancel, 1), 1)
    spin(2)
    run(loop)
    assert GUARD_CALLBACKS <= len(flood.ran) < GUARD_CALLBACKS + LOOK_EVERY


def test_a_stopped_loop_keeps_the_rest_for_the_next_run(idle_loop: Loop) -> None:
    loop = idle_loop
    flood = Flood(100)
    for number in range(2_000):
        loop.set_immediate(flood, number)
    loop.set_immediate(loop.stop)
    flood_stop = loop.set_timeout(loop.stop, 1)
    spin(2)
    run_for_ever(loop)
    flood_stop.close()
    assert GUARD_CALLBACKS <= len(flood.ran) < GUARD_CALLBACKS + LOOK_EVERY
    run_for_ever(loop)
    assert flood.ran == list(range(2_000))


# -- timers


@pytest.mark.parametrize(
    ("schedule", "limit", "cause"),
    [(schedule_timeouts, GUARD_CALLBACKS, "timers"), (schedule_alarms, GUARD_SOON, "timers")],
    ids=["timeouts", "alarms"],
)
def test_a_flood_of_due_timers_leaves_room_for_io(
    idle_loop: Loop, pipe: Pipe, schedule: Callable[[Loop, Flood, int], None], limit: int, cause: str
) -> None:
    loop = idle_loop
    flood = Flood(LOOK_EVERY + 10)
    seen: list[int] = []
    schedule(loop, flood, 5_000)
    in_io(loop, pipe, lambda: seen.append(len(flood.ran)))
    run(loop)
    assert flood.ran == list(range(5_000))
    assert limit <= seen[0] < limit + LOOK_EVERY
    assert set(cuts(loop)) == {cause}


def test_late_timers_keep_their_order_across_a_cut(idle_loop: Loop) -> None:
    """Each list for itself: another one that was due by then has its turn before the rest."""
    loop = idle_loop
    flood = Flood(100)
    schedule_timeouts(loop, flood, 2_000)
    loop.set_timeout(flood, 3, 2_000)  # not due when the first pass begins
    run(loop)
    place = flood.ran.index(2_000)
    assert GUARD_CALLBACKS <= place < GUARD_CALLBACKS + LOOK_EVERY
    assert flood.ran[:place] + flood.ran[place + 1 :] == list(range(2_000))
    assert set(cuts(loop)) == {"timers"}


def test_alarms_of_one_time_are_never_parted(idle_loop: Loop) -> None:
    """Nested timeouts with one deadline depend on it: no microtask may run between them."""
    loop = idle_loop
    trace: Trace = []
    when_s = loop.time()
    flood = Flood(LOOK_EVERY + 10)

    def one(number: int) -> None:
        flood(number)
        loop.call_soon(lambda: trace.append(len(flood.ran)))

    for number in range(1_000):
        loop.call_at(when_s, one, number)
    for number in range(1_000, 2_000):
        loop.call_at(when_s + 1e-6, one, number)
    spin(2)
    run(loop)
    assert len(trace) == 2_000
    assert set(trace) == {1_000, 2_000}
    assert cuts(loop)["timers"] == 1


def test_alarms_that_microtasks_make_for_the_past_leave_room(idle_loop: Loop) -> None:
    """They are due in the very phase that made them."""
    loop = idle_loop
    trace: Trace = []
    end_s = time.monotonic() + DEADLINE_S

    def again() -> None:
        if "immediate" not in trace and time.monotonic() < end_s:
            loop.call_soon(loop.call_at, 0, again)

    loop.set_immediate(trace.append, "immediate")
    loop.call_at(0, again)
    run(loop)
    assert trace == ["immediate"]
    assert time.monotonic() < end_s


def test_the_rest_of_unrefd_timers_is_not_forgotten(idle_loop: Loop) -> None:
    loop = idle_loop
    flood = Flood(100)
    loop.set_timeout(flood, 1, -1)
    for number in range(2_000):
        loop.set_timeout(flood, 1, number).unref()
    spin(2)
    run(loop)
    assert flood.ran == list(range(-1, 2_000))
    assert set(cuts(loop)) == {"timers"}


# -- whose turn it is, where passes are cut again and again

END = 20_000  # callbacks, after which a flood ends in any case

AGAIN: dict[str, Callable[[Loop, Callable[[], object]], object]] = {
    "timeouts": lambda loop, again: loop.set_timeout(again, 1),
    "alarms": lambda loop, again: loop.call_later(0.001, again),
    "alarms for the past": lambda loop, again: loop.call_at(0, again),
    "alarms for the past, made by immediates": lambda loop, again: loop.set_immediate(loop.call_at, 0, again),
}


@pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN)
def test_a_flood_that_renews_itself_starves_nobody(idle_loop: Loop, pipe: Pipe, again: Callable[..., object]) -> None:
    """2,000 that are overdue again before a pass has reached them all, for ever."""
    loop = idle_loop
    others = {"timeout", "alarm", "io", "immediate"}
    seen: set[str] = set()
    ran = 0

    def flood() -> None:
        nonlocal ran
        ran += 1
        if ran % 400 == 70:
            spin(2 * GUARD_MS)
        if seen != others and ran < END:
            again(loop, flood)

    for _ in range(2_000):
        again(loop, flood)
    loop.set_timeout(lambda: loop.set_timeout(seen.add, 5, "timeout"), 3)
    loop.set_timeout(lambda: loop.call_later(0.005, seen.add, "alarm"), 3)
    loop.set_timeout(lambda: in_io(loop, pipe, lambda: seen.add("io")), 3)
    loop.set_timeout(lambda: loop.set_immediate(seen.add, "immediate"), 3)
    run(loop)
    assert seen == others
    assert ran < END  # nobody had to wait for the end of the flood
    assert cuts(loop)["timers"] > 0


def test_intervals_that_are_always_late_starve_nobody(idle_loop: Loop) -> None:
    loop = idle_loop
    seen: set[str] = set()
    ran = 0

    def beat() -> None:
        nonlocal ran
        ran += 1
        if ran % 400 == 70:
            spin(2 * GUARD_MS)
        if seen == {"timeout", "alarm"} or ran == END:
            for interval in intervals:
                interval.close()

    intervals = [loop.set_interval(beat, 5) for _ in range(2_000)]
    loop.set_timeout(seen.add, 20, "timeout")
    loop.call_later(0.02, seen.add, "alarm")
    run(loop)
    assert seen == {"timeout", "alarm"}
    assert ran < END


def test_the_rest_of_a_list_is_behind_all_else_that_was_due(idle_loop: Loop) -> None:
    loop = idle_loop
    flood = Flood(LOOK_EVERY + 10)
    seen: dict[str, int] = {}
    schedule_timeouts(loop, flood, 5_000)
    loop.set_timeout(lambda: seen.setdefault("timeout", len(flood.ran)), 2)
    loop.call_later(0.001, lambda: seen.setdefault("alarm", len(flood.ran)))
    spin(5)
    run(loop)
    assert flood.ran == list(range(5_000))
    assert GUARD_CALLBACKS <= seen["timeout"] < GUARD_CALLBACKS + LOOK_EVERY
    assert seen["alarm"] == seen["timeout"]


def test_the_rest_of_the_alarms_is_behind_the_lists_that_were_due(idle_loop: Loop) -> None:
    loop = idle_loop
    flood = Flood(LOOK_EVERY + 10)
    seen: dict[str, int] = {}
    schedule_alarms(loop, flood, 5_000)
    loop.set_timeout(lambda: seen.setdefault("timeout", len(flood.ran)), 6)
    loop.call_later(0.006, lambda: seen.setdefault("alarm", len(flood.ran)))
    spin(10)
    run(loop)
    assert flood.ran == list(range(5_000))
    assert GUARD_SOON <= seen["timeout"] < GUARD_SOON + LOOK_EVERY
    assert seen["alarm"] == 5_000  # among themselves they keep the order of their times


def test_an_alarm_made_in_a_pass_waits_for_the_next_one_though_the_clock_stands_still(loop: Loop) -> None:
    """As tests have it that replace loop.time()."""
    ran: list[str] = []

    def again() -> None:
        ran.append(f"turn {loop.turns - first}")
        if len(ran) == 3:
            loop.call_soon(loop.call_later, -1, ran.append, "of the past")
            loop.call_later(0, loop.call_soon, loop.stop)
        else:
            loop.call_later(0, again)

    setattr(loop, "time", lambda: 100.0)  # noqa: B010 - mypy: a method
    first = loop.turns + 1
    loop.call_later(0, again)
    loop.set_timeout(loop.stop, DEADLINE_S * 1000)
    run_for_ever(loop)
    assert ran == ["turn 0", "turn 1", "turn 2", "of the past"]
    loop.close()


# -- ready descriptors


@pytest.fixture
def pipes() -> Iterator[list[Pipe]]:
    made = [Pipe() for _ in range(100)]
    yield made
    for pipe in made:
        pipe.close()


class Readers:
    """A callback for each pipe, once: it reads its byte and notes its number; as the n-th of all, for some n, it computes."""

    def __init__(self, loop: Loop, pipes: list[Pipe], *, slow: Callable[[int], bool]) -> None:
        self.ran: list[int] = []
        self._loop = loop
        self._slow = slow
        for number, pipe in enumerate(pipes):
            loop.add_reader(pipe.reader, self._on_readable, number, pipe.reader)
            pipe.fill()

    def _on_readable(self, number: int, fd: int) -> None:
        os.read(fd, 1)  # raises where an event was taken twice
        self._loop.remove_reader(fd)
        if self._slow(len(self.ran)):
            spin(2 * GUARD_MS)
        self.ran.append(number)


def test_many_ready_descriptors_leave_room(idle_loop: Loop, pipes: list[Pipe]) -> None:
    """The whole turn has its time, and the rest is served next: none lost, none twice."""
    loop = idle_loop
    trace: Trace = []
    readers = Readers(loop, pipes, slow=lambda n: n in {20, 60})

    def note(name: str) -> None:
        trace.append((name, len(readers.ran)))

    def immediate() -> None:
        note("immediate")
        loop.set_timeout(note, 1, "timer")
        spin(2)

    loop.set_immediate(immediate)
    run(loop)
    assert sorted(readers.ran) == list(range(100))
    names, served = zip(*trace, strict=True)
    assert names == ("immediate", "timer")
    assert 20 < served[0] == served[1] <= 20 + GUARD_HANDLES
    assert set(cuts(loop)) == {"poll"}


def test_a_callback_and_its_microtasks_count_alike(idle_loop: Loop, pipes: list[Pipe]) -> None:
    """In a poll the guard looks after 16 callbacks, be they of two descriptors."""
    loop = idle_loop
    seen: list[int] = []

    def on_readable(pipe: Pipe) -> None:
        loop.remove_reader(pipe.reader)
        for _ in range(GUARD_HANDLES):
            loop.call_soon(seen.append, 0)
        spin(GUARD_MS)

    for pipe in pipes[:4]:
        loop.add_reader(pipe.reader, on_readable, pipe)
        pipe.fill()
    loop.set_immediate(lambda: seen.append(1))
    run(loop)
    assert seen.index(1) == 2 * GUARD_HANDLES
    assert cuts(loop)["poll"] >= 1


def test_fewer_slow_ones_are_a_stall(idle_loop: Loop, pipes: list[Pipe]) -> None:
    loop = idle_loop
    readers = Readers(loop, pipes[:GUARD_HANDLES], slow=lambda n: n % 4 == 0)
    run(loop)
    assert len(readers.ran) == GUARD_HANDLES
    assert cuts(loop) == {}


def test_ready_descriptors_are_served_in_turn(idle_loop: Loop) -> None:
    """Though each of them is ready for ever, and a poll is cut long before its end."""
    loop = idle_loop
    count = 40
    served = [0] * count
    end_s = time.monotonic() + DEADLINE_S
    ends = [end for _ in range(count // 2) for end in socket.socketpair()]

    def on_writable(number: int) -> None:
        spin(1)
        served[number] += 1
        if min(served) == 3 or time.monotonic() > end_s:
            loop.stop()

    for number, end in enumerate(ends):
        loop.add_writer(end, on_writable, number)
    run(loop)
    for end in ends:
        loop.remove_writer(end)
        end.close()
    assert min(served) == 3
    assert max(served) <= 4
    assert cuts(loop)["poll"] > 0


def test_an_event_left_behind_does_not_reach_who_has_the_number_next(idle_loop: Loop, pipes: list[Pipe]) -> None:
    """Between two parts of a poll everything that waits is closed, and its numbers are handed out again."""
    loop = idle_loop
    readers = Readers(loop, pipes, slow=lambda n: n == 20)
    late: list[int] = []

    def replace() -> None:
        left = [number for number in range(len(pipes)) if number not in readers.ran]
        assert left
        for number in left:
            loop.remove_reader(pipes[number].reader)
            pipes[number].close()
        numbers = set()
        for number in left:
            pipes[number] = Pipe()
            numbers.add(pipes[number].reader)
            loop.add_reader(pipes[number].reader, late.append, number)
        loop.set_timeout(lambda: [loop.remove_reader(fd) for fd in numbers], 5)

    loop.set_immediate(replace)
    run(loop)
    assert late == []
    assert len(readers.ran) < len(pipes)


def test_closed_by_another_callback_of_the_rest(idle_loop: Loop, pipes: list[Pipe]) -> None:
    loop = idle_loop
    readers = Readers(loop, pipes, slow=lambda n: n == 20)
    last: list[int] = []

    def stop_the_others() -> None:
        for number, pipe in enumerate(pipes):
            if number not in readers.ran:
                last.append(number)
                loop.remove_reader(pipe.reader)

    loop.set_immediate(stop_the_others)
    run(loop)
    assert sorted(readers.ran + last) == list(range(100))
    assert last


def test_what_an_ended_run_left_is_asked_for_anew(loop: Loop, pipes: list[Pipe]) -> None:
    """An event that is old by then would call back for bytes that are gone."""
    readers = Readers(loop, pipes, slow=lambda n: n == 20)
    loop.set_immediate(loop.stop)
    run_for_ever(loop)
    served = list(readers.ran)
    assert len(served) < 100
    emptied = next(n for n in range(100) if n not in served)
    os.read(pipes[emptied].reader, 1)
    loop.set_timeout(loop.stop, 5)
    while len(readers.ran) < 99:
        loop.set_immediate(loop.stop)
        run_for_ever(loop)
    assert sorted([*readers.ran, emptied]) == list(range(100))
    loop.remove_reader(pipes[emptied].reader)


# -- turned off


def test_without_the_guard_no_phase_ends_before_its_time(idle_loop: Loop, pipes: list[Pipe]) -> None:
    """Node's rule alone."""
    loop = idle_loop
    loop.starvation_guard = False
    trace: Trace = []
    immediates, timeouts = Flood(100), Flood(100)
    schedule_timeouts(loop, timeouts, 2_000)
    readers = Readers(loop, pipes, slow=lambda n: n in {20, 60})
    for number in range(2_000):
        loop.set_immediate(immediates, number)
    loop.set_immediate(lambda: trace.append((len(timeouts.ran), len(readers.ran), len(immediates.ran))))
    turns = loop.turns
    run(loop)
    assert trace == [(2_000, 100, 2_000)]
    assert loop.turns - turns <= 2
    assert cuts(loop) == {}


# -- what is counted, and who is named


@pytest.mark.slow
def test_endless_immediates_are_named_once(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    """A busy wait: timers and I/O go on, yet the loop has no rest."""
    end_s = time.monotonic() + DEADLINE_S

    def asks_again() -> None:
        if time.monotonic() < end_s and loop.turns < turns_max:
            loop.set_immediate(asks_again)

    turns_max = 0
    while not caplog.records and time.monotonic() < end_s:
        turns_max = loop.turns + 200_000
        asks_again()
        run(loop)
    what, who = the_one_named(caplog)
    assert what == "immediates"
    assert "asks_again" in who
    statistics = loop.statistics()
    assert statistics["floods"] >= 1
    assert statistics["flood_max_ns"] > 100_000_000
    assert statistics["flood_culprit"] == who
    assert cuts(loop) == {}


@pytest.mark.slow
def test_a_busy_wait_is_named_however_little_of_the_machine_it_gets(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    """What others take of its time is no work of its own."""
    end_s = time.monotonic() + DEADLINE_S

    def asks_again() -> None:
        if loop.turns % 1_000 == 0:
            time.sleep(0.02)  # others have the processor, for 200 ms of 10,000 immediates
        if not caplog.records and time.monotonic() < end_s:
            loop.set_immediate(asks_again)

    asks_again()
    run(loop)
    what, who = the_one_named(caplog)
    assert what == "immediates"
    assert "asks_again" in who


@pytest.mark.slow
@pytest.mark.parametrize("chains", [1, 50])
def test_endless_alarms_for_now_are_named_once(loop: Loop, caplog: pytest.LogCaptureFixture, chains: int) -> None:
    """Each is over in its turn, and makes the next: no poll waits."""
    end_s = time.monotonic() + DEADLINE_S

    def asks_again() -> None:
        if not caplog.records and time.monotonic() < end_s:
            loop.call_later(0, asks_again)

    for _ in range(chains):
        asks_again()
    run(loop)
    what, who = the_one_named(caplog)
    assert what == "timers"
    assert "asks_again" in who
    assert cuts(loop) == {}


@pytest.mark.slow
def test_alarms_that_let_the_loop_rest_are_no_flood(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    left = 60_000

    def asks_again() -> None:
        nonlocal left
        left -= 20
        for _ in range(19):
            loop.call_later(0, int)
        if left > 0:
            loop.call_later(0.0002, asks_again)

    asks_again()
    run(loop)
    assert caplog.records == []
    assert loop.statistics()["floods"] == 0


@pytest.mark.slow
def test_work_in_pieces_is_no_flood(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    """The cure for a long computation, with set_immediate or with asyncio.sleep(0): pieces of 20 us and more."""
    end_s = time.monotonic() + 0.4

    def piece() -> None:
        spin(0.02)
        if time.monotonic() < end_s:
            loop.set_immediate(piece)

    async def pieces() -> None:
        while time.monotonic() < end_s + 0.4:
            spin(0.02)
            await asyncio.sleep(0)

    piece()
    run(loop)
    loop.run_until_complete(pieces())
    assert caplog.records == []
    assert loop.statistics()["floods"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["immediates", "timers"])
def test_who_feeds_a_flood_of_a_phase_is_named_once(loop: Loop, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    left = 12 * GUARD_CALLBACKS

    def feeds() -> None:
        nonlocal left
        left -= 1
        if left % 500 == 0:
            spin(GUARD_MS)

    for _ in range(left):
        if kind == "immediates":
            loop.set_immediate(feeds)
        else:
            loop.set_timeout(feeds, 1)
    run(loop)
    what, who = the_one_named(caplog)
    assert what == kind
    assert "feeds" in who
    statistics = loop.statistics()
    assert statistics["floods"] == 1
    assert statistics["flood_max_ns"] > 100_000_000
    assert statistics["flood_culprit"] == who


@pytest.mark.slow
@pytest.mark.parametrize("beside", [None, "alarms", "timeouts"])
def test_alarms_of_one_time_are_named_and_not_who_comes_next(
    loop: Loop, caplog: pytest.LogCaptureFixture, beside: str | None
) -> None:
    """No cut parts them: it falls on somebody else's alarm, always, or on nobody's, where there is none."""
    end_s = time.monotonic() + DEADLINE_S

    def is_over() -> bool:
        return bool(caplog.records) or time.monotonic() > end_s

    def feeds(number: int) -> None:
        if number == LOOK_EVERY + 10:
            spin(2 * GUARD_MS)
        if not is_over():
            loop.call_at(0, feeds, number)

    def beat() -> None:
        if not is_over():
            again(loop, beat)

    for number in range(2 * GUARD_SOON):
        loop.call_at(0, feeds, number)
    if beside is not None:
        again = AGAIN[beside]
        for _ in range(10):
            beat()
    run(loop)
    what, who = the_one_named(caplog)
    assert what == "timers"
    assert "feeds" in who
    statistics = loop.statistics()
    assert statistics["floods"] == 1
    assert statistics["flood_culprit"] == who
    assert set(cuts(loop)) == ({"timers"} if beside == "alarms" else set())


@pytest.mark.slow
def test_of_immediates_the_last_one_is_named_and_not_the_next(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    in_a_phase = GUARD_CALLBACKS + LOOK_EVERY - GUARD_CALLBACKS % LOOK_EVERY
    slow = {100: 2 * GUARD_MS, in_a_phase + 100: 120}

    def feeds(number: int) -> None:
        spin(slow.get(number, 0))

    def comes_next() -> None: ...

    for number in range(2 * in_a_phase):
        loop.set_immediate(feeds, number)
    loop.set_immediate(comes_next)
    run(loop)
    assert "feeds" in the_one_named(caplog)[1]
    assert cuts(loop) == {"check": 2}


def test_a_phase_holds_none_of_its_callbacks_once_it_is_over(idle_loop: Loop) -> None:
    """Though one that took long remembers the last one while it lasts."""

    class Callback:
        def __call__(self, *_: object) -> None: ...

    loop = idle_loop
    for schedule in (loop.set_immediate, lambda f, *args: loop.set_timeout(f, 1, *args), lambda *args: loop.call_at(0, *args)):
        callback = Callback()
        alive = weakref.ref(callback)
        flood = Flood(100)
        for number in range(GUARD_SOON):
            schedule(flood, number)
        schedule(callback)
        del callback
        run(loop)
        assert alive() is None


@pytest.mark.slow
def test_a_flood_of_ready_sockets_is_counted_and_nobody_is_blamed(
    loop: Loop, pipes: list[Pipe], caplog: pytest.LogCaptureFixture
) -> None:
    """A server with much to do is not at fault."""
    Readers(loop, pipes, slow=lambda n: n % 5 == 0)
    run(loop)
    assert caplog.records == []
    statistics = loop.statistics()
    assert statistics["floods"] == 1
    assert statistics["flood_culprit"] == ""


def test_a_flood_ends_with_a_turn_without_a_cut(idle_loop: Loop) -> None:
    """Two floods with a rest between them are not one long flood."""
    loop = idle_loop
    first, second = Flood(100), Flood(100)

    def again() -> None:
        spin(110)
        for number in range(1_500):
            loop.set_immediate(second, number)

    for number in range(1_500):
        loop.set_immediate(first, number)
    loop.set_immediate(loop.set_timeout, again, 1)  # the last of the first flood
    run(loop)
    assert set(cuts(loop)) == {"check"}
    assert loop.statistics()["floods"] == 0
