"""A loop that is closed with something open closes it: no descriptor and no child stays, nobody is told or warned, and what its
user does with it afterwards is harmless."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

import treadle
from tests.census import Holdings, left_since
from tests.integration.asyncio.things import OPENERS, Place, signal_handler
from tests.integration.tls import Contexts

EVERYTHING = {**OPENERS, "signal_handler": signal_handler}


@pytest.mark.parametrize("opener", EVERYTHING.values(), ids=EVERYTHING)
def test_nothing_stays(opener, tmp_path: Path, contexts: Contexts) -> None:
    place = Place(tmp_path, contexts)
    before = Holdings.now()
    loop = treadle.new_event_loop()
    contexts_told: list[object] = []
    loop.set_exception_handler(lambda _, context: contexts_told.append(context))
    with warnings.catch_warnings(record=True) as caught, place.ends:
        warnings.simplefilter("always")
        thing = loop.run_until_complete(opener(place))
        loop.close()
        for fd in thing.fds:
            if opener.__name__ != "reader_callback":  # whose descriptor is its user's
                with pytest.raises(OSError):
                    os.fstat(fd)
        if thing.pid is not None:
            with pytest.raises(ProcessLookupError):
                os.kill(thing.pid, 0)
        thing.close()
    del thing, loop, place
    assert not left_since(before)
    assert [str(warning.message) for warning in caught] == []
    assert contexts_told == []
