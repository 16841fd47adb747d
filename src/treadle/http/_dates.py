"""HTTP dates: whole seconds since 1970 in, the same out. Source: RFC 9110 section 5.6.7. Not here: comparing (_conditional)."""

import re
from calendar import timegm
from functools import lru_cache
from time import gmtime
from typing import Final

__all__ = ["format_date", "parse_date"]

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SECONDS_MAX: Final = 253_402_300_799  # the end of the year 9999: a year has four digits
LENGTH_MAX: Final = len("Wednesday, 06-Nov-94 08:49:37 GMT")

_DAY: Final = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH: Final = f"(?P<month>{'|'.join(MONTHS)})"
_TIME: Final = r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d|60)"
FORMS: Final = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"{_DAY}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",  # IMF-fixdate, the one that is sent
        rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",  # RFC 850
        rf"{_DAY} {_MONTH} (?P<day>\d\d| \d) {_TIME} (?P<year>\d{{4}})",  # C's asctime()
    )
)


@lru_cache(maxsize=1024)  # a server has few files that are asked for all the time; 100 KiB at most
def format_date(seconds: int) -> str:
    """IMF-fixdate. seconds: since 1970, up to the year 9999. Raises ValueError."""
    if not 0 <= seconds <= SECONDS_MAX:
        raise ValueError(f"{seconds} s after 1970 is not between the years 1970 and 9999")
    time = gmtime(seconds)
    return (
        f"{DAYS[time.tm_wday]}, {time.tm_mday:02} {MONTHS[time.tm_mon - 1]} {time.tm_year:04} "
        f"{time.tm_hour:02}:{time.tm_min:02}:{time.tm_sec:02} GMT"
    )


def parse_date(text: str, this_year: int) -> int | None:
    """Seconds since 1970 of any of the three forms, or None: it is no HTTP date, and a condition on it does not exist.

    this_year: of now, by which RFC 850's two digits are read: what would be more than 50 years ahead is of the last century.
    """
    return _parsed(text, this_year) if len(text) <= LENGTH_MAX else None


@lru_cache(maxsize=1024)  # of short texts: it must not be a place where clients can store things
def _parsed(text: str, this_year: int) -> int | None:
    found = next(filter(None, (form.fullmatch(text) for form in FORMS)), None)
    if found is None:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        year += this_year - this_year % 100
        if year > this_year + 50:
            year -= 100
    month, day = MONTHS.index(found["month"]) + 1, int(found["day"])
    seconds = timegm((year, month, day, int(found["hour"]), int(found["minute"]), int(found["second"])))
    date = gmtime(seconds if found["second"] != "60" else seconds - 1)  # a leap second: the next one, as timegm() counts
    return seconds if (date.tm_mon, date.tm_mday) == (month, day) else None  # 30 Feb is no day
