"""Declarations of stream_states.pyx: what other native units may touch."""

cdef enum Life:
    CONSTRUCTING
    ALIVE
    DOOMED
    DESTROYING
    CLOSED
    GONE

cdef enum LifeEvent:
    CONSTRUCTED
    DESTROY
    DESTROYED
    ANNOUNCE

cdef enum Supply:
    SUPPLYING
    ENDED
    END_EMITTED

cdef enum SupplyEvent:
    END_PUSHED
    EMIT_END

cdef enum Intake:
    OPEN
    ENDING
    FINALIZING
    PREFINISHED
    FINISHED

cdef enum IntakeEvent:
    END
    FINAL
    PREFINISH
    FINISH

cdef enum Flow:
    UNDECIDED
    PAUSED
    FLOWING

cdef Life next_life(Life life, LifeEvent event) except? CONSTRUCTING
cdef Supply next_supply(Supply supply, SupplyEvent event) except? SUPPLYING
cdef Intake next_intake(Intake intake, IntakeEvent event) except? OPEN
