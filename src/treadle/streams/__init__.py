"""Streams: chunks in order, bounded whatever the consumer does. Source: https://nodejs.org/api/stream.html

Readable, Writable, Duplex, Transform and PassThrough behave as Node 24's, event by event; names are Python's.
docs/design/streams.md has their states. Not here: sockets (treadle.net), requests and responses (treadle.http).
"""

from treadle.streams._abort import add_abort_signal
from treadle.streams._compose import compose
from treadle.streams._duplex import Duplex
from treadle.streams._finished import finished
from treadle.streams._iterator import ReadableIterator
from treadle.streams._marks import get_default_high_water_mark, set_default_high_water_mark
from treadle.streams._pair import duplex_pair
from treadle.streams._pipeline import pipeline
from treadle.streams._readable import Readable
from treadle.streams._statistics import DuplexStatistics, ReadableStatistics, WritableStatistics
from treadle.streams._stream import Stream
from treadle.streams._transform import PassThrough, Transform
from treadle.streams._writable import Writable

__all__ = [
    "Duplex",
    "DuplexStatistics",
    "PassThrough",
    "Readable",
    "ReadableIterator",
    "ReadableStatistics",
    "Stream",
    "Transform",
    "Writable",
    "WritableStatistics",
    "add_abort_signal",
    "compose",
    "duplex_pair",
    "finished",
    "get_default_high_water_mark",
    "pipeline",
    "set_default_high_water_mark",
]
