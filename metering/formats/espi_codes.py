"""The numbers ESPI writes for qualities, units, directions and kinds, both ways. Pure.

From the schemas of ESPI 1.x and 4.0, which number alike: QualityOfReading, UnitSymbolKind, FlowDirectionKind,
AccumulationKind, CommodityKind, ServiceKind.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from metering.quality import Quality
from metering.views import Direction

DELIVERED, RECEIVED = 1, 19  # forward, reverse
WATT_HOURS, ENERGY, ELECTRICITY, DELTA = 72, 12, 1, 4
LONGEST = 1 << 32  # seconds: no interval is longer

# How a quality is written. A customer's reading is raw, and of a kind the standard has no number for.
WRITTEN: dict[Quality, tuple[int, ...]] = {
    Quality.ACTUAL: (),
    Quality.EDITED: (7,),
    Quality.ESTIMATED: (8,),
    Quality.CUSTOMER: (14, 16),
}
# What is no ordinary read of the meter: reference day, interpolated, questionable, derived, mixed are estimates.
_READ = {7: Quality.EDITED} | dict.fromkeys((8, 9, 10, 11, 13), Quality.ESTIMATED)
_NOT_A_READ = {12: "a forecast", 15: "normalised for weather"}

_UNITS = {
    31: "joule", 38: "watt", 42: "cubic metre", 61: "volt-ampere", 63: "reactive volt-ampere", 71: "volt-ampere hour",
    73: "reactive volt-ampere hour", 119: "cubic foot", 125: "cubic metre per hour", 128: "US gallon", 132: "BTU",
    134: "litre", 169: "therm", 29: "volt", 5: "ampere", 65: "power factor", 23: "degree Celsius",
}  # fmt: skip
_SERVICES = {1: "gas", 2: "water", 3: "time", 4: "heat", 5: "refuse", 6: "sewerage"}
_FLOWS: dict[int, Direction] = {0: "DELIVERED", 1: "DELIVERED", 4: "DELIVERED", 8: "DELIVERED"}
_FLOWS |= {10: "RECEIVED", 19: "RECEIVED"}
_DIALS = frozenset({1, 2, 3, 9, 13, 14})  # what goes on counting
_INTERVALS = frozenset({0, 4})
_ELECTRIC = frozenset({0, 1, 2})
_ENERGY = frozenset({0, 12})


@dataclass(frozen=True)
class Kind:
    """What a ReadingType says about its readings; `refusal` in words where they are not energy we can take."""

    direction: Direction = "DELIVERED"
    power: int = 0  # of ten, to Wh
    is_dial: bool = False
    seconds: int | None = None
    quality: int = int(Quality.ACTUAL)
    refusal: str | None = None


def quality_of(marks: Sequence[int]) -> int:
    """This will rank the marks of one reading; the lowest counts. ValueError in words for what is not a read."""
    if 16 in marks and 14 in marks:
        return int(Quality.CUSTOMER)
    for mark in marks:
        if mark in _NOT_A_READ:
            raise ValueError(f"quality {mark} is {_NOT_A_READ[mark]}, not a read")
    return int(min((_READ.get(mark, Quality.ACTUAL) for mark in marks), default=Quality.ACTUAL))


def kind_of(told: dict[str, str]) -> Kind:
    """This will read a ReadingType, given as its elements' texts."""
    try:
        number = {name: int(text) for name, text in told.items() if text.strip()}
    except ValueError:
        return Kind(refusal="its ReadingType has something else where a number belongs")
    power = number.get("powerOfTenMultiplier", 0)
    seconds = number.get("intervalLength")
    refusal = _refusal(number)
    quality = int(Quality.ACTUAL)
    try:
        quality = quality_of([number["defaultQuality"]] if "defaultQuality" in number else [])
    except ValueError as exc:
        refusal = refusal or str(exc)
    return Kind(
        direction=_FLOWS.get(number.get("flowDirection", 0), "DELIVERED"),
        power=power,
        is_dial=number.get("accumulationBehaviour", DELTA) in _DIALS,
        seconds=seconds if seconds is not None and 0 < seconds <= LONGEST else None,
        quality=quality,
        refusal=refusal,
    )


def service_refusal(kind: str) -> str | None:
    """This will say why a usage point's ServiceCategory is not ours, if it is not."""
    text = kind.strip()
    if text in ("", "0"):
        return None
    name = _SERVICES.get(int(text)) if text.isascii() and text.isdigit() and len(text) < 6 else None
    return f"its usage point is of service kind {text[:20]}{f' ({name})' if name else ''}, not electricity"


def _refusal(number: dict[str, int]) -> str | None:
    unit, flow = number.get("uom", WATT_HOURS), number.get("flowDirection", 0)
    behaviour = number.get("accumulationBehaviour", DELTA)
    if unit != WATT_HOURS and not (unit == 0 and number.get("kind") == ENERGY):
        name = f" ({_UNITS[unit]})" if unit in _UNITS else ""
        return f"its unit {unit}{name} is not watt-hours (72)"
    if number.get("commodity", ELECTRICITY) not in _ELECTRIC:
        return f"its commodity {number['commodity']} is not electricity"
    if number.get("kind", ENERGY) not in _ENERGY:
        return f"its kind {number['kind']} is not energy (12)"
    if flow not in _FLOWS:
        return f"its flowDirection {flow} is neither delivered nor received"
    if behaviour not in _DIALS | _INTERVALS:
        return f"its accumulationBehaviour {behaviour} is neither use in an interval nor a dial"
    if not -12 <= number.get("powerOfTenMultiplier", 0) <= 12:
        return f"its powerOfTenMultiplier {number['powerOfTenMultiplier']} is none"
    return None
