from datetime import UTC, date, datetime

from core.fieldwork import calendar


def test_eight_in_the_morning_stays_eight_when_the_clocks_change() -> None:
    found = list(calendar.windows(date(2026, 10, 30), timezone="America/New_York", days=4))  # Fri to Mon, change on Sun
    assert len(found) == 8
    assert found[0][0] == datetime(2026, 10, 30, 12, 0, tzinfo=UTC)
    assert found[4][0] == datetime(2026, 11, 2, 13, 0, tzinfo=UTC)


def test_no_crew_on_a_holiday() -> None:
    found = calendar.windows(
        date(2026, 11, 26), timezone="America/New_York", days=2, holidays=frozenset({date(2026, 11, 26)})
    )
    assert {starts.date() for starts, _ in found} == {date(2026, 11, 27)}
