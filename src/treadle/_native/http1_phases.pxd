"""Declarations of http1_phases.pyx: what other native units may touch."""


cdef enum Phase:        # in the order of PHASES
    IDLE
    HEAD
    BODY
    DRAINING
    ANSWERING
    LINGERING
    SWITCHED


cdef enum Event:        # in the order of EVENTS
    BEGIN
    BODY_FOLLOWS
    COMPLETE
    ANSWERED
    LAST
    SWITCH


cdef Phase next_phase(Phase phase, Event event) except? IDLE
