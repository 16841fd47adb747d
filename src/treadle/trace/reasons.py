"""Why a callback ran when it did, in words. Source: the contract of the turn, docs/design/loop.md."""

from treadle.trace.records import Kind, Origin, Phase, Record

__all__ = ["moment", "origin_words", "why"]

NS_PER_MS = 1_000_000

PLAIN = {
    Kind.TICK: "ticks run before anything else, once the callback before is through",
    Kind.MICROTASK: "microtasks run after every callback, once there are no ticks",
    Kind.IMMEDIATE: "it waited when the check phase began",
    Kind.READY: "its descriptor is ready",
    Kind.COMPLETION: "a thread of the pool has finished it",
    Kind.EVENT: "the poll found it ready",
    Kind.REQUEST: "the head of a request is complete",
    Kind.DEFERRED: "it was put off to the pending phase",
    Kind.FLUSH: "the poll is through, and its answers leave together",
    Kind.CLOSING: "it has ended, and descriptors are closed in the close phase",
}

OF_TASKS = {"task": "created", "task on": "woken", "yield": "yielded"}


def why(record: Record, *, with_times: bool = True) -> str:
    """One clause; with_times: how late a timer is."""
    kind = record.kind
    if kind is Kind.TICK and record.origin is not None and record.origin.by is None:
        return "the program begins"
    if kind is Kind.SOON:
        return _of_asyncio(record)
    if kind in (Kind.TIMER, Kind.ALARM):
        return _of_timer(record, with_times)
    if kind is Kind.IMMEDIATE and record.origin is not None and record.origin.phase is Phase.CHECK:
        return "made in a check phase, it waited for that of the next turn"
    return PLAIN[kind]


def _of_asyncio(record: Record) -> str:
    if record.label == "yield":
        return "sleep(0), or a bare yield, lets I/O run first, and goes on in the check phase"
    if record.label == "task":
        return "a task starts as a microtask, after the callback that runs, once there are no ticks"
    if record.label == "task on" and record.is_cancelled:
        return "it was cancelled, or what it awaited was, and it goes on as a microtask"
    if record.label == "task on":
        return "what it awaited is done, and it goes on as a microtask"
    return "a microtask, it runs after every callback, once there are no ticks"


def _of_timer(record: Record, with_times: bool) -> str:
    origin = record.origin
    words = []
    if record.label in ("timeout", "interval") and origin is not None and (origin.delay_ms or 0) < 1:
        words.append("1 ms is the least")
    if with_times and record.due_ns is not None:
        words.append(f"due {(record.start_ns - record.due_ns) / NS_PER_MS:.2f} ms ago")
    if origin is not None and origin.by is not None and record.turn == origin.turn + 1:
        words.append("the first timers phase since it was set")
    else:
        words.append("the first timers phase since it was due")
    return ", ".join(words)


def origin_words(record: Record) -> str:
    """What scheduled it, with the delay as asked for; empty where that is not known."""
    origin = record.origin
    if origin is None:
        return ""
    if record.label in OF_TASKS:
        return OF_TASKS[record.label]
    return origin.how if origin.delay_ms is None else f"{origin.how} of {origin.delay_ms:.6g} ms"


def moment(origin: Origin) -> str:
    """When it was scheduled."""
    if origin.is_other_thread:
        return "another thread"
    if origin.by is None:
        return "outside the loop"
    if origin.phase is Phase.OUTSIDE:
        return "before turn 1" if origin.turn == 0 else f"after turn {origin.turn}"
    return f"turn {origin.turn}, {origin.phase.name.lower()}"
