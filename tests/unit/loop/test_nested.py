"""nest_asyncio: it makes a loop run inside itself, by rewriting the class. A treadle loop is refused, and stays what it is."""

import asyncio
import types

import pytest

import treadle

PATCH = """
import asyncio

def patch_loop(loop):
    if hasattr(loop, "_nest_patched"):
        return
    if not isinstance(loop, asyncio.BaseEventLoop):
        raise ValueError("Can't patch loop of type %s" % type(loop))
    loop.__class__._run_once = None
"""


def test_it_is_refused_as_it_refuses_other_loops(loop: treadle.EventLoop) -> None:
    nest = types.ModuleType("nest_asyncio")  # as much of it as looks at a loop
    exec(PATCH, nest.__dict__)
    with pytest.raises(ValueError, match="Can't patch loop of type"):
        nest.patch_loop(loop)
    assert "_run_once" not in vars(treadle.EventLoop)
    assert loop.run_until_complete(asyncio.sleep(0, "still runs")) == "still runs"


def test_nobody_else_sees_the_name_it_looks_for(loop: treadle.EventLoop) -> None:
    assert not hasattr(loop, "_nest_patched")
