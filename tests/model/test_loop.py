"""Random programs on the model and on the native loop: the same callbacks, in the same turn, at the same time, and the same
things left behind.

The programs are the same each time, so that a run says something about the change that it is run for. More of them, and others:
`make model ARGS='--examples 20000'`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.model.driver import on_model
from tests.model.driver.interpreter import Program
from tests.model.driver.on_native import NativeLoop
from tests.model.driver.programs import ASYNCIOS, FLOODS, NODES, OTHERS, OTHERS_OF_ASYNCIO, programs

pytestmark = pytest.mark.slow

many = settings.get_profile("model")


@many
@given(program=programs(*NODES, *OTHERS))
def test_nodes_operations(native: NativeLoop, program: Program) -> None:
    assert native.run(program) == on_model.run(program)


@many
@given(program=programs(*NODES, *ASYNCIOS, *OTHERS, *OTHERS_OF_ASYNCIO))
def test_nodes_and_asyncios_operations(native: NativeLoop, program: Program) -> None:
    assert native.run(program) == on_model.run(program)


@many
@given(program=programs(*NODES, *ASYNCIOS, *FLOODS, *OTHERS, *OTHERS_OF_ASYNCIO))
def test_floods(native: NativeLoop, program: Program) -> None:
    assert native.run(program) == on_model.run(program)
