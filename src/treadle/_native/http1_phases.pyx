"""Where a connection stands with its messages, as a table: the only place that says what follows what.

`TRANSITIONS` is the truth; `next_phase` is the same as an array, filled from it when the unit is loaded and never changed. A pair
that the table does not have is a defect of the caller: it raises, and nothing changes. docs/design/http.md draws its diagram from
it, and tests/unit/native/test_http1_phases.py tries every pair. Not here: what is done in a phase (http1_connection.pyx).

    IDLE         between two messages; nothing of the next one has arrived, and no parser is held
    HEAD         a head has begun
    BODY         the head is complete, its body is not; the handler may be at work
    DRAINING     the answer is complete, the body is not: the handler reads on, or what still comes is thrown away
    ANSWERING    the message is complete, its answer is not; what is pipelined behind it waits unparsed
    LINGERING    our side has ended; what the peer still sends is thrown away
    SWITCHED     no HTTP any more: the socket goes to a listener, with what lies unparsed
"""

PHASES = ("IDLE", "HEAD", "BODY", "DRAINING", "ANSWERING", "LINGERING", "SWITCHED")
EVENTS = ("BEGIN", "BODY_FOLLOWS", "COMPLETE", "ANSWERED", "LAST", "SWITCH")

TRANSITIONS = {
    ("IDLE", "BEGIN"): "HEAD",                  # the first byte of a message
    ("IDLE", "LAST"): "LINGERING",              # the server closes while the last answer is still on its way
    ("HEAD", "BODY_FOLLOWS"): "BODY",           # the blank line of a head that announces a body
    ("HEAD", "COMPLETE"): "ANSWERING",          # the blank line of a head that does not
    ("HEAD", "LAST"): "LINGERING",              # refused
    ("HEAD", "SWITCH"): "SWITCHED",             # an upgrade, a tunnel; or refused, and a listener sees to it
    ("BODY", "COMPLETE"): "ANSWERING",          # the last byte of the body
    ("BODY", "ANSWERED"): "DRAINING",           # the handler did not wait for the rest
    ("BODY", "SWITCH"): "SWITCHED",             # refused, and a listener sees to it
    ("BODY", "LAST"): "LINGERING",              # refused, or answered for the last time on this connection
    ("DRAINING", "COMPLETE"): "IDLE",
    ("DRAINING", "LAST"): "LINGERING",        # more than it is worth to throw away
    ("ANSWERING", "ANSWERED"): "IDLE",
    ("ANSWERING", "LAST"): "LINGERING",         # answered for the last time on this connection
}

cdef enum:
    PHASE_COUNT = 7
    EVENT_COUNT = 6
    NOWHERE = -1

cdef signed char successors[PHASE_COUNT][EVENT_COUNT]


cdef int fill() except -1:
    for phase in range(PHASE_COUNT):
        for event in range(EVENT_COUNT):
            successors[phase][event] = NOWHERE
    for (before, event_name), after in TRANSITIONS.items():
        successors[<int>PHASES.index(before)][<int>EVENTS.index(event_name)] = PHASES.index(after)
    return 0


fill()


cdef Phase next_phase(Phase phase, Event event) except? IDLE:
    cdef int after = successors[<int>phase][<int>event]
    if after == NOWHERE:
        raise AssertionError(f"a connection in {PHASES[<int>phase]} cannot take {EVENTS[<int>event]}")
    return <Phase>after


def phase_after(str phase, str event):
    """The phase that follows, by name. Raises ValueError for a name that is none, AssertionError for a pair the table lacks."""
    return PHASES[<int>next_phase(<Phase><int>PHASES.index(phase), <Event><int>EVENTS.index(event))]
