"""What ran when, and why then: every callback of a loop, recorded. For ``treadle trace``.

    TracedEventLoop   notes where a callback is scheduled, and tells the recorder what the core runs
    Recorder          keeps records, a bounded number of them
    text, chrome      show them

A loop that is not traced pays nothing: the core asks one flag. Not here: the command (treadle.cli.trace), how busy a loop is
(treadle.perf).
"""

from treadle.trace.recorder import Recorder
from treadle.trace.records import Kind, Origin, Phase, Place, Record
from treadle.trace.traced_loop import TracedEventLoop

__all__ = ["Kind", "Origin", "Phase", "Place", "Record", "Recorder", "TracedEventLoop"]
