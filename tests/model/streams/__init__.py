"""Node 24's streams as an executable specification: slow, small, written to be read. treadle.streams is compared with it.

    table          a state and the table of its transitions
    lifecycle      open, destroyed, closed; the first error: one for both sides of a stream
    text  chunks   encodings as Node counts them; what waits in a reading side, and how it is cut
    read_side      push, read, and what happens by itself: 'readable', flowing, filling, 'end'
    pipes          pipe and unpipe
    write_side     write, cork, the queue in front of the sink, and who is called back when
    ending         end, final, 'finish'
    readable  writable  duplex  transform     the classes
    finished  pipeline  iteration  abort      what works on any of them

Not here: adapters, helpers of the iterator, sources and stages that are no streams. What follows from something else is not
stored; a flag stands for an independent fact, and says who sets and who clears it.
"""

from tests.model.streams.abort import add_abort_signal
from tests.model.streams.duplex import Duplex
from tests.model.streams.finished import finished
from tests.model.streams.pipeline import pipeline
from tests.model.streams.readable import Readable
from tests.model.streams.stream import Stream
from tests.model.streams.transform import PassThrough, Transform
from tests.model.streams.writable import Writable

__all__ = [
    "Duplex",
    "PassThrough",
    "Readable",
    "Stream",
    "Transform",
    "Writable",
    "add_abort_signal",
    "finished",
    "pipeline",
]
