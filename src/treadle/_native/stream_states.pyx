"""Where a stream stands, as tables: the only place that says what follows what.

A stream has one life, which both sides of a duplex share; its readable side has a supply, its writable side an intake. The tables are
the truth; the C arrays are filled from them when the unit is loaded and never changed. A pair that a table does not have is a
defect of the caller: it raises, and nothing changes. docs/design/streams.md draws its diagrams from them, and
tests/unit/native/test_stream_states.py tries every pair. Not here: what is done in a state (stream_core.pyx, readable.pyx,
writable.pyx); flags, which are facts beside these and stand where they are declared.

    life     CONSTRUCTING   construct() has not called back; no hook runs yet
             ALIVE
             DOOMED         destroyed before it was constructed: the hook waits for that
             DESTROYING     the destroy hook runs                        from DOOMED on a stream is "destroyed"
             CLOSED         it has called back; 'error' and 'close' follow in a tick
             GONE           'close' was emitted, or would have been      from CLOSED on a stream is "closed"

    supply   SUPPLYING      the end was not pushed
             ENDED          it was; what is buffered can still be read
             END_EMITTED    all was read, and 'end' was emitted

    intake   OPEN           write() is allowed
             ENDING         end() was called; what is buffered is written first
             FINALIZING     the final hook runs
             PREFINISHED    'prefinish' was emitted; 'finish' follows
             FINISHED       'finish' was emitted

    flow     UNDECIDED      nobody asked for data
             PAUSED         by pause(), or by a 'readable' listener, who calls read()
             FLOWING        'data' is emitted as it comes; each can follow each, so that there is no table
"""

LIVES = ("CONSTRUCTING", "ALIVE", "DOOMED", "DESTROYING", "CLOSED", "GONE")
LIFE_EVENTS = ("CONSTRUCTED", "DESTROY", "DESTROYED", "ANNOUNCE")
LIFE_TRANSITIONS = {
    ("CONSTRUCTING", "CONSTRUCTED"): "ALIVE",
    ("CONSTRUCTING", "DESTROY"): "DOOMED",
    ("ALIVE", "DESTROY"): "DESTROYING",
    ("DOOMED", "CONSTRUCTED"): "DESTROYING",        # also where constructing has failed
    ("DESTROYING", "DESTROYED"): "CLOSED",          # the hook called back
    ("CLOSED", "ANNOUNCE"): "GONE",                 # after 'error', if there is one
}

SUPPLIES = ("SUPPLYING", "ENDED", "END_EMITTED")
SUPPLY_EVENTS = ("END_PUSHED", "EMIT_END")
SUPPLY_TRANSITIONS = {
    ("SUPPLYING", "END_PUSHED"): "ENDED",
    ("ENDED", "EMIT_END"): "END_EMITTED",
}

INTAKES = ("OPEN", "ENDING", "FINALIZING", "PREFINISHED", "FINISHED")
INTAKE_EVENTS = ("END", "FINAL", "PREFINISH", "FINISH")
INTAKE_TRANSITIONS = {
    ("OPEN", "END"): "ENDING",
    ("ENDING", "FINAL"): "FINALIZING",              # all is written, and there is a final hook
    ("ENDING", "PREFINISH"): "PREFINISHED",         # ... there is none
    ("FINALIZING", "PREFINISH"): "PREFINISHED",     # the hook called back
    ("PREFINISHED", "FINISH"): "FINISHED",
}

cdef enum:
    STATES_MAX = 6
    EVENTS_MAX = 4
    NOWHERE = -1

cdef signed char lives[STATES_MAX][EVENTS_MAX]
cdef signed char supplies[STATES_MAX][EVENTS_MAX]
cdef signed char intakes[STATES_MAX][EVENTS_MAX]


cdef int fill(signed char (*table)[EVENTS_MAX], states, events, transitions) except -1:
    for state in range(STATES_MAX):
        for event in range(EVENTS_MAX):
            table[state][event] = NOWHERE
    for (before, event_name), after in transitions.items():
        table[<int>states.index(before)][<int>events.index(event_name)] = states.index(after)
    return 0


fill(lives, LIVES, LIFE_EVENTS, LIFE_TRANSITIONS)
fill(supplies, SUPPLIES, SUPPLY_EVENTS, SUPPLY_TRANSITIONS)
fill(intakes, INTAKES, INTAKE_EVENTS, INTAKE_TRANSITIONS)


cdef int refuse(states, int state, events, int event) except -1:
    raise AssertionError(f"a stream that is {states[state]} cannot take {events[event]}")


cdef Life next_life(Life life, LifeEvent event) except? CONSTRUCTING:
    cdef int after = lives[<int>life][<int>event]
    if after == NOWHERE:
        refuse(LIVES, life, LIFE_EVENTS, event)
    return <Life>after


cdef Supply next_supply(Supply supply, SupplyEvent event) except? SUPPLYING:
    cdef int after = supplies[<int>supply][<int>event]
    if after == NOWHERE:
        refuse(SUPPLIES, supply, SUPPLY_EVENTS, event)
    return <Supply>after


cdef Intake next_intake(Intake intake, IntakeEvent event) except? OPEN:
    cdef int after = intakes[<int>intake][<int>event]
    if after == NOWHERE:
        refuse(INTAKES, intake, INTAKE_EVENTS, event)
    return <Intake>after


def life_after(str life, str event):
    """The life that follows, by name. Raises ValueError for a name that is none, AssertionError for a pair the table lacks."""
    return LIVES[<int>next_life(<Life><int>LIVES.index(life), <LifeEvent><int>LIFE_EVENTS.index(event))]


def supply_after(str supply, str event):
    """Likewise of a readable side."""
    return SUPPLIES[<int>next_supply(<Supply><int>SUPPLIES.index(supply), <SupplyEvent><int>SUPPLY_EVENTS.index(event))]


def intake_after(str intake, str event):
    """Likewise of a writable side."""
    return INTAKES[<int>next_intake(<Intake><int>INTAKES.index(intake), <IntakeEvent><int>INTAKE_EVENTS.index(event))]
