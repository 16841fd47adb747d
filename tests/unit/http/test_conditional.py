"""Conditional requests, in their order. RFC 9110 section 13."""

from __future__ import annotations

import pytest

from treadle.http._conditional import Precondition, Validators, has_range, precondition, validators_of
from treadle.http._dates import format_date

MET, NOT_MODIFIED, FAILED = Precondition.MET, Precondition.NOT_MODIFIED, Precondition.FAILED
NOW = 1_800_000_000.5
MODIFIED = 1_700_000_000
STRONG = Validators('"a"', MODIFIED)
WEAK = Validators('W/"a"', MODIFIED)
BEFORE, SAME, AFTER = (format_date(MODIFIED + step) for step in (-1, 0, 1))
FUTURE = format_date(int(NOW) + 1000)

MATCHES = [  # section 8.8.3.2: both weak, one weak, none: strong and weak comparison
    ('"a"', True, True),
    ('W/"a"', False, True),
    ('"b"', False, False),
    ('"b", "a"', True, True),
    ('"b","a"', True, True),
    ('"b" ,\t"a"', True, True),
    (', "a" ,', True, True),
    ('"b", W/"a"', False, True),
    ('W/"a", "a"', True, True),
    ("*", True, True),
    ('"A"', False, False),  # opaque
    ("a", False, False),  # no quotes: no tag
    ("'a'", False, False),
    ('"a', False, False),
    ('w/"a"', False, False),  # section 8.8.3: W is upper-case
    ('W/ "a"', False, False),
    ('"a" garbage', False, False),
    ('"a", garbage', False, False),
    ('*, "a"', False, False),
    ('"a""b"', False, False),
    ("", False, False),
]


@pytest.mark.parametrize(("tags", "is_strong", "is_weak"), MATCHES)
def test_entity_tags_are_compared(tags: str, is_strong: bool, is_weak: bool) -> None:
    assert precondition("GET", {"if-match": tags}, STRONG, NOW) is (MET if is_strong else FAILED)
    assert precondition("GET", {"if-none-match": tags}, STRONG, NOW) is (NOT_MODIFIED if is_weak else MET)


def test_a_weak_tag_of_ours_matches_weakly_only() -> None:
    assert precondition("GET", {"if-match": '"a"'}, WEAK, NOW) is FAILED
    assert precondition("GET", {"if-match": 'W/"a"'}, WEAK, NOW) is FAILED
    assert precondition("GET", {"if-none-match": '"a"'}, WEAK, NOW) is NOT_MODIFIED
    assert precondition("GET", {"if-none-match": 'W/"a"'}, WEAK, NOW) is NOT_MODIFIED


ORDER = [  # section 13.2.2
    ("GET", {}, MET),
    ("GET", {"if-match": '"b"'}, FAILED),  # step 1
    ("GET", {"if-match": '"a"'}, MET),
    ("GET", {"if-match": '"a"', "if-unmodified-since": BEFORE}, MET),  # step 2 is for where there is no If-Match
    ("GET", {"if-unmodified-since": BEFORE}, FAILED),
    ("GET", {"if-unmodified-since": SAME}, MET),
    ("GET", {"if-unmodified-since": AFTER}, MET),
    ("GET", {"if-unmodified-since": "no date"}, MET),  # section 13.1.4
    ("GET", {"if-match": '"b"', "if-none-match": '"a"'}, FAILED),  # step 1 before step 3
    ("GET", {"if-unmodified-since": BEFORE, "if-none-match": '"a"'}, FAILED),
    ("GET", {"if-match": '"a"', "if-none-match": '"a"'}, NOT_MODIFIED),  # step 3
    ("HEAD", {"if-none-match": '"a"'}, NOT_MODIFIED),
    ("PUT", {"if-none-match": '"a"'}, FAILED),
    ("PUT", {"if-none-match": "*"}, FAILED),
    ("GET", {"if-none-match": '"b"', "if-modified-since": AFTER}, MET),  # step 4 is for where there is no If-None-Match
    ("GET", {"if-modified-since": SAME}, NOT_MODIFIED),
    ("GET", {"if-modified-since": AFTER}, NOT_MODIFIED),
    ("GET", {"if-modified-since": FUTURE}, NOT_MODIFIED),
    ("GET", {"if-modified-since": BEFORE}, MET),
    ("HEAD", {"if-modified-since": SAME}, NOT_MODIFIED),
    ("POST", {"if-modified-since": SAME}, MET),  # section 13.1.3: GET and HEAD only
    ("GET", {"if-modified-since": "no date"}, MET),
    ("GET", {"if-modified-since": ""}, MET),
]


@pytest.mark.parametrize(("method", "fields", "outcome"), ORDER)
def test_the_order_of_conditions(method: str, fields: dict[str, str], outcome: Precondition) -> None:
    assert precondition(method, fields, STRONG, NOW) is outcome


RANGES = [  # section 13.1.5 and 14.2
    ("GET", {}, False),
    ("GET", {"range": "x"}, True),
    ("HEAD", {"range": "x"}, False),
    ("POST", {"range": "x"}, False),
    ("GET", {"if-range": '"a"'}, False),
    ("GET", {"range": "x", "if-range": '"a"'}, True),
    ("GET", {"range": "x", "if-range": '"b"'}, False),
    ("GET", {"range": "x", "if-range": 'W/"a"'}, False),
    ("GET", {"range": "x", "if-range": '"a", "b"'}, False),  # one, no list
    ("GET", {"range": "x", "if-range": SAME}, True),
    ("GET", {"range": "x", "if-range": AFTER}, False),  # exactly the same date
    ("GET", {"range": "x", "if-range": BEFORE}, False),
    ("GET", {"range": "x", "if-range": "no date"}, False),
    ("GET", {"range": "x", "if-range": "*"}, False),
    ("GET", {"range": "x", "if-range": ""}, False),
]


@pytest.mark.parametrize(("method", "fields", "outcome"), RANGES)
def test_whether_a_range_counts(method: str, fields: dict[str, str], outcome: bool) -> None:
    assert has_range(method, fields, STRONG, NOW) is outcome


def test_a_weak_tag_of_ours_is_good_for_no_range() -> None:
    assert not has_range("GET", {"range": "x", "if-range": '"a"'}, WEAK, NOW)
    assert not has_range("GET", {"range": "x", "if-range": 'W/"a"'}, WEAK, NOW)


# ---- what a file is known by


def test_a_file_is_known_by_its_time_and_size() -> None:
    first = validators_of(1_700_000_000_000_000_001, 5, NOW)
    assert first == (f'"{1_700_000_000_000_000_001:x}-5"', 1_700_000_000)
    others = [validators_of(1_700_000_000_000_000_002, 5, NOW), validators_of(1_700_000_000_000_000_001, 6, NOW)]
    others += [validators_of(1_700_000_000_000_000_001, 5, NOW, coding) for coding in ("br", "zstd", "gzip")]
    assert len({first.etag, *(other.etag for other in others)}) == 6


def test_within_its_second_a_file_may_change_unseen() -> None:
    """Section 8.8.2.2. The tag is the same afterwards, so that what was cached meanwhile is still good."""
    young, old = (validators_of(int(NOW) * 1_000_000_000, 5, NOW + later) for later in (0, 1))
    assert young == (f"W/{old.etag}", None)
    assert old.modified_s == int(NOW)
    assert precondition("GET", {"if-none-match": young.etag}, old, NOW) is NOT_MODIFIED


def test_a_file_from_the_future_has_no_date() -> None:
    """Section 8.8.2.1. Changed again it looks different: its tag is strong."""
    found = validators_of((int(NOW) + 100) * 1_000_000_000, 5, NOW)
    assert found.modified_s is None
    assert found.etag.startswith('"')
    assert precondition("GET", {"if-modified-since": FUTURE}, found, NOW) is MET
    assert precondition("GET", {"if-unmodified-since": BEFORE}, found, NOW) is MET


def test_a_file_from_before_1970_has_no_date() -> None:
    assert validators_of(-1, 5, NOW).modified_s is None
