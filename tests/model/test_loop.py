"""Random programs on the model and on the native loop: the same callbacks, in the same turn, at the same time.

The examples are the same each time, so that a run says something about the change that it is run for. More of them, and others:
`make model ARGS='--examples 20000'`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from tests.model.driver import on_model
from tests.model.driver.interpreter import Program
from tests.model.driver.on_native import NativeLoop, build_clock
from tests.model.driver.programs import ASYNCIOS, FLOODS, NODES, OTHERS, OTHERS_OF_ASYNCIO, programs

same = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeLoop]:
    with NativeLoop(build_clock(tmp_path_factory.mktemp("clock"))) as native:
        yield native


@pytest.mark.slow
@same
@given(program=programs(*NODES, *ASYNCIOS, *OTHERS, *OTHERS_OF_ASYNCIO))
def test_the_order_is_the_models(native: NativeLoop, program: Program) -> None:
    assert native.run(program) == on_model.run(program)


@pytest.mark.slow
@same
@given(program=programs(*NODES, *ASYNCIOS, *FLOODS, *OTHERS, *OTHERS_OF_ASYNCIO))
def test_floods_are_cut_where_the_model_says(native: NativeLoop, program: Program) -> None:
    assert native.run(program) == on_model.run(program)
