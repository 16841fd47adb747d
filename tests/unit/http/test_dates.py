"""HTTP dates. RFC 9110 section 5.6.7."""

from __future__ import annotations

import pytest

from treadle.http._dates import format_date, parse_date

NOVEMBER_1994 = 784_111_777  # of the RFC's examples

DATES = {
    "Sun, 06 Nov 1994 08:49:37 GMT": NOVEMBER_1994,
    "Sunday, 06-Nov-94 08:49:37 GMT": NOVEMBER_1994,
    "Sun Nov  6 08:49:37 1994": NOVEMBER_1994,
    "Thu, 01 Jan 1970 00:00:00 GMT": 0,
    "Sat, 29 Feb 2020 00:00:00 GMT": 1_582_934_400,
    "Sat, 31 Dec 2016 23:59:60 GMT": 1_483_228_800,  # a leap second
    "Friday, 01-Jan-76 00:00:00 GMT": 3_345_062_400,  # 50 years ahead: still 2076
    "Saturday, 01-Jan-77 00:00:00 GMT": 220_924_800,  # 51: 1977
}

NO_DATES = [
    "", "0", "-1", "now", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 6 Nov 1994 08:49:37 GMT", "sun, 06 nov 1994 08:49:37 gmt", "Sun, 06 Nov 1994 24:00:00 GMT",
    "Sun, 06 Nov 1994 08:60:00 GMT",
    "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "Sat, 30 Feb 2020 00:00:00 GMT",
    "Xxx, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT ", " Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT\n",
    "Sun, ٠6 Nov 1994 08:49:37 GMT",
    "Sun Nov 6 08:49:37 1994", "Sun, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
]  # fmt: skip


@pytest.mark.parametrize("text", DATES)
def test_all_three_forms_are_read(text: str) -> None:
    assert parse_date(text, 2026) == DATES[text]


@pytest.mark.parametrize("text", NO_DATES)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_date(text, 2026) is None


def test_the_first_form_is_written() -> None:
    assert format_date(NOVEMBER_1994) == "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize("seconds", [0, 1, 86_399, NOVEMBER_1994, 1_582_934_400, 4_102_444_800, 253_402_300_799])
def test_what_is_written_is_read(seconds: int) -> None:
    assert parse_date(format_date(seconds), 2026) == seconds


@pytest.mark.parametrize("seconds", [253_402_300_800, 10**18, -1, -(10**18)])
def test_a_year_has_four_digits(seconds: int) -> None:
    with pytest.raises(ValueError):
        format_date(seconds)
