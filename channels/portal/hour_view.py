"""The cheap and the dear hours of a day as a picture, a table and words, for who pays by the hour."""

from dataclasses import dataclass

from billing import queries as bills
from channels.portal import figures
from channels.portal.visitor import speaker, writer
from core import periods
from core.hub import Hub

LEVELS = ("low", "mid", "high")


@dataclass(frozen=True)
class Day:
    """A day as the page shows it; `rows` are its hours once more: when, at what price, and how dear that is."""

    of: bills.HourDay
    said: str
    cells: tuple[figures.Hour, ...]
    words: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, str, str], ...]


def days(hub: Hub, advice: bills.HourAdvice) -> tuple[Day, ...]:
    """This will lay out each day whose prices are known."""
    return tuple(_day(hub, advice, day) for day in advice.days)


def _day(hub: Hub, advice: bills.HourAdvice, day: bills.HourDay) -> Day:
    say, write = speaker(hub), writer(hub)
    names = {level: say(f"portal.cheap.{level}") for level in LEVELS}
    levels = [_level(hour, day) for hour in day.hours]
    rows = tuple(
        (write("clock", hour.starts_at), say("plans.cents", price=hour.price), names[level] if day.cheap else "")
        for hour, level in zip(day.hours, levels, strict=True)
    )
    cells = tuple(
        figures.Hour(f"{periods.local(hour.starts_at, advice.timezone):%H}", level, f"{at}: {price} {name}".strip())
        for hour, level, (at, price, name) in zip(day.hours, levels, rows, strict=True)
    )
    words = tuple((level, names[level]) for level in LEVELS if level in levels) if day.cheap else ()
    said = say("portal.cheap.day", cheap=day.cheap, dear=day.dear, price=day.hours[0].price)
    return Day(day, said, cells, words, rows)


def _level(hour: bills.PricedHour, day: bills.HourDay) -> str:
    for level, spans in (("low", day.cheap), ("high", day.dear)):
        if any(span.starts_at <= hour.starts_at < span.ends_at for span in spans):
            return level
    return "mid"
