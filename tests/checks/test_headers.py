"""The header check beyond its golden cases: its laws, dates, and time that is bounded by size."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime, mktime_tz, parsedate_tz

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.checks._dates import parse_date
from mailfilter.checks.headers import FUTURE, PAST, SHOUT, HeaderCheck
from tests.checks.laws import laws_of, names, seconds

CHECK = HeaderCheck()
test_laws = laws_of(CHECK)

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1970, 1, 2), datetime(2099, 1, 1), timezones=zones).map(
    lambda moment: moment.replace(microsecond=0)
)


@given(moments)
def test_dates_are_read_as_they_were_written(moment):
    assert parse_date(format_datetime(moment)) == moment.timestamp()


@given(st.text(max_size=60) | st.from_regex(r"[0-9]{1,2} [A-Z][a-z]{2} [0-9]{2,4} [0-9]{1,2}:[0-9]{2} [+-][0-9]{3,4}"))
def test_any_text_is_a_date_or_none(text):
    assert parse_date(text) is None or isinstance(parse_date(text), int)


@pytest.mark.parametrize(
    "text",
    [
        "Tue, 10 Nov 1998 09:00:00 -0500",
        "10 Nov 98 09:00 EST",
        "Tue, 10 Nov 1998 09:00:00 EDT",
        "Tue,10 Nov 1998 09:00:00 +0200 (CEST)",
        "\n\tTue, 10 Nov 1998 9:00:00 GMT",
        "10-Nov-1998 09:00:00 +0000",
    ],
)
def test_forms_of_dates(text):
    assert parse_date(text) == mktime_tz(parsedate_tz(text.strip()))


@pytest.mark.parametrize(
    "text", ["", "today", "Mon, 30 Feb 2026 09:00:00", "Tue, 10 Foo 2026 09:00:00", "1 Jan 2026 99:00:00"]
)
def test_what_is_no_date(text):
    assert parse_date(text) is None


def dated(seconds_ahead: int) -> bytes:
    received = datetime(2026, 11, 10, 9, tzinfo=UTC)
    date = format_datetime(received + timedelta(seconds=seconds_ahead))
    return f"Received: from a by b; {format_datetime(received)}\nDate: {date}\n\ntext\n".encode()


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (0, set()),
        (FUTURE, set()),
        (FUTURE + 1, {"DATE_FUTURE"}),
        (-PAST, set()),
        (-PAST - 1, {"DATE_PAST"}),
    ],
)
def test_limits_of_time(ahead, expected):
    assert names(CHECK, dated(ahead)) & {"DATE_FUTURE", "DATE_PAST"} == expected


@pytest.mark.parametrize(("letters", "shouts"), [(SHOUT, True), (SHOUT - 1, False)])
def test_limit_of_shouting(letters, shouts):
    subject = "A " + "B" * (letters - 1)
    assert ("SUBJECT_SHOUTS" in names(CHECK, f"Subject: {subject}\n\n".encode())) is shouts


def test_subjects_without_case_do_not_shout():
    assert "SUBJECT_SHOUTS" not in names(CHECK, "Subject: 請確認 您的 訂單 編號 十二\n\n".encode())


@pytest.mark.parametrize("zeros", [("09", "9"), ("9", "09"), ("9", "9"), ("09", "09")])
def test_the_same_day_is_the_same_day(zeros):
    raw = "Received: from a by b; Mon, {} Nov 2026 23:00:00 +0000\nDate: Mon, {} Nov 2026 01:00:00 +0000\n\n"
    assert names(CHECK, raw.format(*zeros).encode()) & {"DATE_FUTURE", "DATE_PAST"} == set()


def test_a_ninth_is_no_nineteenth():
    raw = b"Received: from a by b; Thu, 19 Nov 2026 09:00:00 +0000\nDate: Mon, 9 Nov 2026 09:00:00 +0000\n\n"
    assert "DATE_PAST" in names(CHECK, raw)


def test_the_newest_received_header_counts():
    raw = (
        b"Received: from a by b; Tue, 10 Nov 2026 09:00:00 +0000\n"
        b"Received: from c by a; Tue, 10 Nov 2020 09:00:00 +0000\n"
        b"Date: Tue, 10 Nov 2026 09:00:00 +0000\n\n"
    )
    assert names(CHECK, raw) & {"DATE_FUTURE", "DATE_PAST"} == set()


@pytest.mark.parametrize(
    "field",
    [
        b"Subject: " + b"RE: " * 250_000,
        b"Subject: " + b"[a]" * 330_000,
        b"Subject: x" + b" " * 1_000_000 + b"y",
        b"Message-ID: <" + b"a@" * 500_000,
        b"Message-ID: " + b" " * 1_000_000,
        b"Date: " + b" " * 1_000_000,
        b"Date: " + b"1 Nov " * 160_000,
        b"To: " + b"undisclosed " * 80_000,
        b"Subject: " + b"A" * 1_000_000,
    ],
)
def test_a_megabyte_of_one_field_takes_no_longer_than_reading_it(field):
    assert seconds(CHECK, field + b"\n\ntext\n") < 1
