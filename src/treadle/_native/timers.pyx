"""Timers of two kinds, as the loop's timers phase needs them.

Node's (set_timeout, set_interval, and every deadline of a connection) stand in one list per duration; a heap orders the lists.
All timers of one list have the same duration, so each list is in order by itself, and starting or stopping one of a thousand
equal timers is O(1):

    heap of lists     [ 5 ms, due 1005 ]   [ 75,000 ms, due 76,200 ]   ...
                            |                      |
    a list            A -> B -> C            conn 1 -> conn 2 -> ...        in order of their start

asyncio's (call_later, call_at) are Alarms in a heap by their exact time. Invariant: a Timer that waits is owned by its list, an
Alarm that waits by the heap. Not here: which of the two goes first, and what runs between two callbacks (timers_phase.pyx).
Source: Node's lib/internal/timers.js for the order of lists, whose rules are restated in docs/design/loop.md.
"""
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MAX, int64_t

from treadle._native.queues cimport Handle, Heap, call_in_context, class_of_asyncio, disown, own, show_by, visitproc

cdef extern from *:
    object take_result "(PyObject *)"(PyObject *result)     # owned; NULL: the exception is set
    object PyContext_Copy(object context)


cdef class TimerList:
    def __cinit__(self):
        self.due.index = -1
        self.due.item = <PyObject *>self

    def __dealloc__(self):
        while self.first is not NULL:
            self.unlink(<Timer>self.first)

    cdef void append(self, Timer timer) noexcept:
        timer.list = self
        timer.before = self.last
        timer.after = NULL
        if self.last is NULL:
            self.first = own(timer)
        else:
            (<Timer>self.last).after = own(timer)
        self.last = <PyObject *>timer

    cdef void unlink(self, Timer timer) noexcept:
        cdef object reference = disown(<PyObject *>timer)     # let go of at the end of this function
        if timer.before is NULL:
            self.first = timer.after
        else:
            (<Timer>timer.before).after = timer.after
        if timer.after is NULL:
            self.last = timer.before
        else:
            (<Timer>timer.after).before = timer.before
        timer.before = timer.after = NULL
        timer.list = None


cdef int show_list(PyObject *timers, visitproc visit, void *state) noexcept:
    # To the garbage collector: the timers that it owns.
    cdef PyObject *timer = (<TimerList>timers).first
    cdef int found
    while timer is not NULL:
        found = visit(timer, state)
        if found:
            return found
        timer = (<Timer>timer).after
    return 0


show_by(TimerList, show_list)


cdef class Timer:
    """Something that fires once, a whole number of ms after its start. Subclasses say what: see Timeout."""

    def __cinit__(self):
        self.is_refed = True

    cdef object fire(self):
        return None

    cdef int start(self, int64_t duration_ms, int64_t now_ms) except -1:
        # Start it, or start it anew. The loop has its timers phase fire() it no sooner than duration_ms after now_ms.
        cdef TimerList waits_in = self.list
        if waits_in is not None and self.duration_ms == duration_ms:
            waits_in.unlink(self)       # PERF: bench/http_hello.py. The usual case of a deadline: to the end of its list.
            waits_in.append(self)
            self.start_ms = now_ms
            return 0
        if waits_in is not None:
            waits_in.unlink(self)
            self.timers.drop_if_empty(waits_in)
        self.duration_ms = duration_ms
        self.timers.schedule(self, now_ms)
        self.count(self.is_refed)
        return 0

    cdef void stop(self) noexcept:
        cdef TimerList waits_in = self.list
        if waits_in is not None:
            waits_in.unlink(self)
            self.timers.drop_if_empty(waits_in)
        self.count(False)

    cdef void count(self, bint holds) noexcept:
        if holds != self.is_counted:
            self.is_counted = holds
            self.timers.refs += 1 if holds else -1


cdef class Timeout(Timer):
    """What set_timeout and set_interval return. Source: Node, class Timeout.

    OWNER: it keeps its callback after it has fired, for refresh(), and so holds it where the garbage collector sees it: an
    object whose method is the callback, and which keeps the Timeout, is no leak.
    """

    def __init__(self):
        raise TypeError("made by set_timeout and set_interval")

    def __repr__(self):
        kind = "interval" if self.is_interval else "timeout"
        state = "closed" if self.is_closed else "waiting" if self.list is not None else "fired"
        return f"<{type(self).__name__} {kind} {self.duration_ms} ms {state}>"

    cdef object fire(self):
        cdef object callback = self.callback    # all three held here: the callback may close its own timer
        cdef object args = self.args
        cdef object context = self.context
        if self.is_interval:
            context = PyContext_Copy(context)       # COMPAT(node): what one beat sets, the next does not see
        returned = take_result(call_in_context(<PyObject *>context, <PyObject *>callback, <PyObject *>args))
        if returned is not None:
            self.timers.ran_in = context
        return returned

    cdef void stop(self) noexcept:
        Timer.stop(self)
        if self.timers.is_closed:
            self.let_go()

    cdef void let_go(self) noexcept:
        self.is_closed = True
        self.callback = self.args = self.context = None

    def ref(self):
        """Let it hold the program again while it waits (the default). Returns self."""
        self.is_refed = True
        if self.list is not None:
            self.count(True)
        return self

    def unref(self):
        """Let the program end although it still waits. Returns self."""
        self.is_refed = False
        self.count(False)
        return self

    def has_ref(self):
        """True when it holds the program while it waits."""
        return self.is_refed

    def refresh(self):
        """Start it anew with the same duration, also after it has fired. No effect once it, or its loop, is closed. Returns
        self."""
        if self.timers is not None and not self.is_closed and not self.timers.is_closed:
            self.start(self.duration_ms, self.timers.read_clock_ms())
        return self

    def close(self):
        """Keep it from firing, for good: what clear_timeout and clear_interval do. Returns self."""
        if not self.is_closed and self.timers is not None:
            if self.list is None:
                self.timers.drop_list_of(self.duration_ms)
            self.stop()
            self.let_go()
        return self


@cython.no_gc_clear     # as Handle, it lets go of everything once it has run or was cancelled, or its loop is closed
cdef class Alarm(Handle):
    """One call_later or call_at. Invariant: in the heap from its making until it is due or cancelled.

    OWNER: what it refers to the garbage collector sees, unlike a Handle's: whoever sleeps holds the alarm that is to wake it.
    """

    def __cinit__(self):
        self.due.index = -1
        self.due.item = <PyObject *>self

    def __repr__(self):         # COMPAT(asyncio): its name there, which its log of slow callbacks shows
        who = self.state()
        if self.is_cancelled:
            known_as = (<DebugAlarm>self).known_as if isinstance(self, DebugAlarm) else None
            return f"<TimerHandle cancelled when={self._when}{f' {known_as}' if known_as else ''}{self.made_at()}>"
        return f"<TimerHandle when={self._when} {who}{self.made_at()}>"

    @property
    def __class__(self):        # COMPAT(asyncio): as of Handle
        return class_of_asyncio("TimerHandle", type(self))

    def __lt__(self, other):    # COMPAT(asyncio): timers are in order by their time
        return self.when_s < (<Alarm>other).when_s if isinstance(other, Alarm) else NotImplemented

    def __le__(self, other):
        return self.when_s <= (<Alarm>other).when_s if isinstance(other, Alarm) else NotImplemented

    def __gt__(self, other):
        return self.when_s > (<Alarm>other).when_s if isinstance(other, Alarm) else NotImplemented

    def __ge__(self, other):
        return self.when_s >= (<Alarm>other).when_s if isinstance(other, Alarm) else NotImplemented

    def __hash__(self):
        return object.__hash__(self)

    def when(self):
        """The time it is due, in s on the loop's clock."""
        return self._when

    @property
    def _when(self):            # COMPAT(asyncio): its name for it; an int where it was given as one
        return int(self.when_s) if self.is_whole else self.when_s

    @property
    def _scheduled(self):       # COMPAT(asyncio): TimerHandle's name, read by test suites
        return self.due.index >= 0

    def cancel(self):
        """Keep the callback from running, and let go of it and its arguments."""
        if not self.is_cancelled:
            self.is_cancelled = True
            self.release()
            if self.due.index >= 0:
                self.timers.due_alarms.remove(&self.due)
                self.timers.refs -= 1
                disown(<PyObject *>self)


@cython.no_gc_clear
cdef class DebugAlarm(Alarm):
    """An Alarm that knows where it was scheduled, in debug mode."""

    @property
    def _source_traceback(self):        # COMPAT(asyncio): read by its exception handler
        return self.origin

    def cancel(self):
        """Keep the callback from running, and let go of it and its arguments."""
        if self.callback is not None:
            self.known_as = self.source(True)
        Alarm.cancel(self)


cdef int show_alarm(PyObject *alarm, visitproc visit, void *state) noexcept:
    return (<Alarm>alarm).show(visit, state) or visit(<PyObject *>(<Alarm>alarm).timers, state)


show_by(Alarm, show_alarm)
show_by(DebugAlarm, show_alarm)


@cython.no_gc_clear    # OWNER: __dealloc__ needs its heaps to let go of what waits in them
cdef class Timers:
    """All that waits for a time, of one loop."""

    def __cinit__(self):
        self.lists = {}
        self.due_lists = Heap()
        self.due_alarms = Heap()

    def __dealloc__(self):
        self.close()

    cdef int64_t read_clock_ms(self) noexcept:
        # COMPAT(node): for each timer of its kind that is made or starts anew, and at the start of a pass; see run_timers().
        self.read_ms = clock_ns() // NS_PER_MS
        return self.read_ms

    cdef object take_context(self):
        cdef object context = self.ran_in
        self.ran_in = None
        return context

    cdef int schedule(self, Timer timer, int64_t start_ms) except -1:
        # ORDER: a list that is not empty keeps its place; a new one goes where its first timer's expiry belongs.
        cdef TimerList timers = self.latest
        if timers is None or timers.duration_ms != timer.duration_ms:
            timers = self.lists.get(timer.duration_ms)
            if timers is None:
                timers = TimerList.__new__(TimerList)
                timers.duration_ms = timer.duration_ms
                self.lists[timer.duration_ms] = timers
            self.latest = timers
        if timers.due.index < 0:
            timers.due.key = start_ms + timer.duration_ms
            timers.due.order = self.next_order
            self.next_order += 1
            self.due_lists.push(&timers.due)
        timer.start_ms = start_ms
        timers.append(timer)
        return 0

    cdef void put_back(self, TimerList timers, int64_t due_ms) noexcept:
        # It was looked at, and its next turn is when that is due, behind all that are due then already.
        timers.due.key = due_ms
        timers.due.order = self.next_order
        self.next_order += 1
        self.due_lists.moved(&timers.due)

    cdef void drop_if_empty(self, TimerList timers) noexcept:
        if timers.first is NULL and timers.due.index >= 0:
            self.due_lists.remove(&timers.due)
            self.lists.pop(timers.duration_ms, None)
            self.latest = None

    cdef int drop_list_of(self, int64_t duration_ms) except -1:
        # COMPAT(node): clearing the timer that fires right now also ends its emptied list, so that a timer of this duration made
        # next starts a list of its own.
        cdef TimerList timers = self.lists.get(duration_ms)
        if timers is not None:
            self.drop_if_empty(timers)
        return 0

    cdef int add_alarm(self, Alarm alarm) except -1:
        alarm.due.order = self.next_order
        self.next_order += 1
        self.due_alarms.push(&alarm.due)
        own(alarm)
        self.refs += 1
        return 0

    cdef Alarm take_alarm(self):
        # The first one; the caller has looked that there is one, and that it is due.
        cdef HeapEntry *entry = self.due_alarms.first()
        self.due_alarms.remove(entry)
        self.refs -= 1
        return <Alarm>disown(entry.item)

    cdef int64_t next_due_ns(self):
        # INT64_MAX: nothing waits.
        cdef int64_t due_ns = INT64_MAX
        if self.due_lists.size:
            due_ns = max(self.due_lists.first().key, self.lists_from_ms) * NS_PER_MS
        if self.due_alarms.size and self.due_alarms.first().key < due_ns:
            due_ns = self.due_alarms.first().key
        return due_ns

    cdef void drop_timers(self) noexcept:
        # Node's that stand there now are let go of, unfired: a part of that may be code that makes one more each time.
        cdef list waiting = []
        cdef PyObject *timer
        for timers in list(self.lists.values()):
            timer = (<TimerList>timers).first
            if timer is NULL:
                self.drop_if_empty(timers)
            while timer is not NULL:
                waiting.append(<object>timer)
                timer = (<Timer>timer).after
        for held in waiting:
            (<Timer>held).stop()

    cdef void close(self) noexcept:
        # All are let go of, unfired, and what they would have called with them.
        cdef Alarm alarm
        self.is_closed = True
        self.drop_timers()
        while self.due_alarms.size:
            alarm = self.take_alarm()
            alarm.is_cancelled = True
            alarm.release()


cdef int show_timers(PyObject *owner, visitproc visit, void *state) noexcept:
    cdef Heap alarms = (<Timers>owner).due_alarms
    cdef Py_ssize_t i
    cdef int found = visit(<PyObject *>(<Timers>owner).lists, state) or visit(<PyObject *>(<Timers>owner).latest, state)
    if alarms is not None:
        for i in range(alarms.size):
            found = found or visit(alarms.entries[i].item, state)
    return found


show_by(Timers, show_timers)
