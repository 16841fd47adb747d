"""What is recorded of other servers covers the vectors as they are, and is what the documentation says."""

import pytest

from tests.integration.http import rivals
from tests.integration.http.rivals import Demand, Verdict, demand, verdict
from tests.integration.http.vectors import VECTORS, Vector
from tests.integration.support import ROOT

BY_NAME = {vector.name: vector for vector in VECTORS}
PAGE = ROOT / "docs" / "reference" / "http-conformance.md"


def test_every_vector_is_recorded_of_every_server() -> None:
    assert len(BY_NAME) == len(VECTORS)
    for server, answers in rivals.recorded().items():
        assert answers.keys() == BY_NAME.keys(), f"{server}: make rivals records them anew"


def test_the_page_has_the_table() -> None:
    assert rivals.table() in PAGE.read_text(), "python -m tests.integration.http.rivals prints it"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_treadle_was_recorded_as_the_vectors_have_it(vector: Vector) -> None:
    found = verdict(vector, rivals.recorded()["treadle"][vector.name])
    assert demand(vector) not in (Demand.REFUSE, Demand.LIMIT) or found is Verdict.REFUSED
    assert demand(vector) is not Demand.ACCEPT or found is Verdict.ACCEPTED


def test_what_is_left_open_is_a_vector_that_we_refuse() -> None:
    for name in rivals.LEFT_OPEN:
        assert all(status >= 400 for status in (BY_NAME[name].ours or ())[-1:]), name


@pytest.mark.parametrize(
    ("name", "answer", "expected"),
    [
        ("get", "200 open", Verdict.ACCEPTED),
        ("get", "200 closed", Verdict.ACCEPTED),
        ("get", "400", Verdict.REFUSED),
        ("get", "closed", Verdict.REFUSED),
        ("get", "open", Verdict.WAITS),
        ("good-good-bad", "200 200 400", Verdict.REFUSED),
        ("good-good-bad", "200 200 200 open", Verdict.ACCEPTED),
        ("good-good-bad", "200 200 open", Verdict.WAITS),
    ],
)
def test_verdicts(name: str, answer: str, expected: Verdict) -> None:
    assert verdict(BY_NAME[name], answer) is expected
