"""Who may have a plan: the rules a tariff is sold under, as data, and how a service stands to them. Pure.

A document says them under `tariff.eligibility`; what the US Utility Rate Database has words for (sector, peak kW, kWh,
start and end) is read where our part says nothing. Bounds are part of their band. A rule that cannot be checked is not
met. Whom a plan is for, and why it is not for somebody, is told as kinds of the catalogues with their figures.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from core import errors, periods

CUSTOMER_KINDS = ("RESIDENTIAL", "BUSINESS")
LEAST_DAYS = 28  # of reads, to say what a year would come to
_SECTORS = {"residential": "RESIDENTIAL", "commercial": "BUSINESS", "industrial": "BUSINESS"}
_ENDLESS = Decimal("1e30")  # URDB writes "no limit" as 1e38
_YEAR = 12  # months that load and use are looked at
_KNOWN = frozenset(
    ("cities", "counties", "jurisdictions", "demand_kw", "annual_kwh", "sends_out", "programs", "interval_meter",
     "customer_months")
)  # fmt: skip


@dataclass(frozen=True)
class Band:
    """From `least` to `most`, both in it; None is no bound."""

    least: Decimal | None = None
    most: Decimal | None = None

    def __bool__(self) -> bool:
        return self.least is not None or self.most is not None

    def __contains__(self, value: Decimal) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


@dataclass(frozen=True)
class Rules:
    """Who may have a plan. Of several places, or programs, one is enough; whoever is on a plan already keeps it.

    `sold_to` is the first day on which nobody new may have it. `sends_out` asks for a meter of what is sent out, or
    (False) for none.
    """

    customer_kind: str | None
    sold_from: date
    sold_to: date | None = None
    cities: tuple[str, ...] = ()
    counties: tuple[str, ...] = ()
    jurisdictions: tuple[str, ...] = ()
    demand_kw: Band = Band()
    annual_kwh: Band = Band()
    sends_out: bool | None = None
    programs: tuple[str, ...] = ()
    interval_meter: bool = False
    customer_months: int = 0


@dataclass(frozen=True)
class Load:
    """What a service took in the last twelve months: its highest measured demand with the day, and the kWh of a year.

    None: no interval was measured, or too few days are known.
    """

    peak_watts: int | None = None
    peak_on: date | None = None
    annual_kwh: Decimal | None = None


@dataclass(frozen=True)
class Service:
    """What the rules ask of a service, as of a day."""

    customer_kind: str
    city: str
    county: str
    jurisdiction: str
    today: date
    customer_since: date
    sends_out: bool
    interval_meter: bool
    programs: frozenset[str] = frozenset()
    load: Load = Load()


@dataclass(frozen=True)
class Sentence:
    """A kind of the catalogues and its data."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)


def read(document: Mapping[str, Any], *, opens_on: date) -> Rules:
    """This will read the rules of a document, sold from `opens_on` unless it says otherwise.

    Invalid tariff.eligibility, with `reason` and `where`, for what cannot be read.
    """
    sold = document.get("tariff") or {}
    ours = sold.get("eligibility") or {}
    if not isinstance(sold, Mapping) or not isinstance(ours, Mapping):
        _refuse("it must be an object", "tariff.eligibility")
    unknown = sorted(set(ours) - _KNOWN)
    if unknown:
        _refuse("there is no such rule", f"eligibility.{unknown[0]}")
    months = ours.get("customer_months", 0)
    if isinstance(months, bool) or not isinstance(months, int) or months < 0:
        _refuse("it must be a whole number of months", "eligibility.customer_months")
    ends = _instant(document, "enddate")
    return Rules(
        customer_kind=_class(sold, document),
        sold_from=_day(sold, "sold_from") or _instant(document, "startdate") or opens_on,
        sold_to=_day(sold, "sold_to") or (None if ends is None else ends + timedelta(days=1)),
        cities=_names(ours, "cities"),
        counties=_names(ours, "counties"),
        jurisdictions=_names(ours, "jurisdictions"),
        demand_kw=_band(ours, "demand_kw") or _published_band(document, "peakkwcapacity", "demandunits"),
        annual_kwh=_band(ours, "annual_kwh") or _published_band(document, "peakkwhusage", None),
        sends_out=_flag(ours, "sends_out"),
        programs=_names(ours, "programs"),
        interval_meter=bool(_flag(ours, "interval_meter")),
        customer_months=months,
    )


def stored(rules: Rules) -> dict[str, Any]:
    """This will write what a tariff's row keeps of its rules, as a document says them: class and days stand beside."""
    lists = {"cities": rules.cities, "counties": rules.counties, "jurisdictions": rules.jurisdictions}
    bands = {"demand_kw": rules.demand_kw, "annual_kwh": rules.annual_kwh}
    out: dict[str, Any] = {key: list(names) for key, names in (lists | {"programs": rules.programs}).items() if names}
    for key, band in bands.items():
        if band:
            bounds = {"min": band.least, "max": band.most}
            out[key] = {name: f"{bound:f}" for name, bound in bounds.items() if bound is not None}
    if rules.sends_out is not None:
        out["sends_out"] = rules.sends_out
    if rules.interval_meter:
        out["interval_meter"] = True
    if rules.customer_months:
        out["customer_months"] = rules.customer_months
    return out


def published(rules: Rules) -> dict[str, Any]:
    """This will write what the US Utility Rate Database has words for: sector, days, and bands over twelve months."""
    out: dict[str, Any] = {}
    if rules.customer_kind is not None:
        out["sector"] = "Residential" if rules.customer_kind == "RESIDENTIAL" else "Commercial"
    for key, day in (("startdate", rules.sold_from), ("enddate", rules.sold_to and rules.sold_to - timedelta(days=1))):
        if day is not None:
            out[key] = int(periods.midnight(day, "Etc/UTC").timestamp())
    for key, band in (("peakkwcapacity", rules.demand_kw), ("peakkwhusage", rules.annual_kwh)):
        if band:
            bounds = {"min": band.least, "max": band.most}
            out |= {f"{key}{name}": float(bound) for name, bound in bounds.items() if bound is not None}
            out[f"{key}history"] = _YEAR
    return out


def check(
    rules: Rules, *, programs: Collection[str], jurisdictions: Collection[str], pays_for_export: bool = False
) -> None:
    """This will refuse rules that contradict themselves, or name what nobody knows; Invalid tariff.eligibility."""
    for where, band in (("demand_kw", rules.demand_kw), ("annual_kwh", rules.annual_kwh)):
        if band.least is not None and band.most is not None and band.least > band.most:
            _refuse(f"it begins at {band.least:f} and ends at {band.most:f}", f"eligibility.{where}")
    if rules.sold_to is not None and rules.sold_to <= rules.sold_from:
        _refuse(f"it closes on {rules.sold_to}, and opens on {rules.sold_from}", "tariff.sold_to")
    if rules.sends_out is False and pays_for_export:
        _refuse("it pays for power sent out, and is for those who send none", "eligibility.sends_out")
    for where, named, known in (
        ("programs", rules.programs, programs), ("jurisdictions", rules.jurisdictions, jurisdictions),
    ):  # fmt: skip
        for name in named:
            if name not in known:
                _refuse(f"{name!r} is not known", f"eligibility.{where}")


def conditions(rules: Rules) -> tuple[Sentence, ...]:
    """This will say whom a plan is for, rule by rule."""
    told = (
        [] if rules.customer_kind is None else [Sentence("eligibility.class", {"customer_kind": rules.customer_kind})]
    )
    for kind, names in (("city", rules.cities), ("county", rules.counties), ("jurisdiction", rules.jurisdictions)):
        if names:
            told.append(Sentence(f"eligibility.{kind}", {"places": list(names)}))
    if rules.sends_out is not None:
        told.append(Sentence("eligibility.sends_out" if rules.sends_out else "eligibility.takes_only"))
    if rules.interval_meter:
        told.append(Sentence("eligibility.meter"))
    if rules.programs:
        told.append(Sentence("eligibility.program", {"names": [f"program.{code}.name" for code in rules.programs]}))
    if rules.customer_months:
        told.append(Sentence("eligibility.months", {"months": rules.customer_months}))
    for kind, band in (("demand", rules.demand_kw), ("use", rules.annual_kwh)):
        if band:
            told.append(Sentence(f"eligibility.{kind}", {"least": band.least, "most": band.most}))
    if rules.sold_to is not None:
        told.append(Sentence("eligibility.until", {"on": rules.sold_to - timedelta(days=1)}))
    return tuple(told)


def reasons(rules: Rules, service: Service, *, held: bool = False) -> tuple[Sentence, ...]:
    """This will say why a service may not have a plan: nothing where it may, or has it already (`held`)."""
    if held:
        return ()
    if rules.customer_kind not in (None, service.customer_kind):
        return (
            Sentence("eligibility.not.class", {"customer_kind": rules.customer_kind}),
        )  # the rest is beside the point
    told = []
    if service.today < rules.sold_from:
        told.append(Sentence("eligibility.not.opens", {"on": rules.sold_from}))
    if rules.sold_to is not None and service.today >= rules.sold_to:
        told.append(Sentence("eligibility.not.closed", {"on": rules.sold_to}))
    for kind, names, own in (
        ("city", rules.cities, service.city), ("county", rules.counties, service.county),
        ("jurisdiction", rules.jurisdictions, service.jurisdiction),
    ):  # fmt: skip
        if names and own.casefold() not in (name.casefold() for name in names):
            told.append(Sentence(f"eligibility.not.{kind}", {"places": list(names), "own": own}))
    if rules.sends_out is not None and rules.sends_out != service.sends_out:
        told.append(Sentence("eligibility.not.sends_out" if rules.sends_out else "eligibility.not.takes_only"))
    if rules.interval_meter and not service.interval_meter:
        told.append(Sentence("eligibility.not.meter"))
    if rules.programs and not service.programs & set(rules.programs):
        names_of = [f"program.{code}.name" for code in rules.programs]
        told.append(Sentence("eligibility.not.program", {"names": names_of}))
    if service.today < periods.add_months(service.customer_since, rules.customer_months):
        data = {"months": rules.customer_months, "since": service.customer_since}
        told.append(Sentence("eligibility.not.months", data))
    return (*told, *_of_load(rules, service.load))


def asks_load(rules: Rules) -> bool:
    """This will say whether a rule asks what a service took in a year."""
    return bool(rules.demand_kw or rules.annual_kwh)


def _of_load(rules: Rules, load: Load) -> list[Sentence]:
    told = []
    if rules.demand_kw:
        band = {"least": rules.demand_kw.least, "most": rules.demand_kw.most}
        if load.peak_watts is None:
            told.append(Sentence("eligibility.not.demand_unknown", band))
        elif Decimal(load.peak_watts) / 1000 not in rules.demand_kw:
            kw = Decimal(load.peak_watts) / 1000
            short = kw.quantize(Decimal("0.1"))  # 20.04 is not shown as the 20 it is above
            data = {**band, "kw": kw if short in rules.demand_kw else short, "on": load.peak_on}
            told.append(Sentence("eligibility.not.demand", data))
    if rules.annual_kwh:
        band = {"least": rules.annual_kwh.least, "most": rules.annual_kwh.most}
        if load.annual_kwh is None:
            told.append(Sentence("eligibility.not.use_unknown", band))
        elif load.annual_kwh not in rules.annual_kwh:
            short = load.annual_kwh.quantize(Decimal(1))
            data = {**band, "kwh": load.annual_kwh if short in rules.annual_kwh else short}
            told.append(Sentence("eligibility.not.use", data))
    return told


# --- reading a document ----------------------------------------------------------------------------------------------


def _class(sold: Mapping[str, Any], document: Mapping[str, Any]) -> str | None:
    """The class a plan is sold to; of a document that says none, by the sector URDB files it under."""
    told, sector = sold.get("customer_kind"), str(document.get("sector") or "").strip().casefold()
    filed = _SECTORS.get(sector)
    if told is None:
        return filed
    if told not in CUSTOMER_KINDS:
        _refuse(f"{told!r} is no class of customers", "tariff.customer_kind")
    if filed not in (None, told):
        _refuse(f"it is sold to {told}, and its sector is {document['sector']}", "tariff.customer_kind")
    return str(told)


def _names(ours: Mapping[str, Any], key: str) -> tuple[str, ...]:
    given = ours.get(key, [])
    if not isinstance(given, list) or not all(isinstance(name, str) and name.strip() for name in given):
        _refuse("it must be a list of names", f"eligibility.{key}")
    return tuple(dict.fromkeys(name.strip() for name in given))


def _flag(ours: Mapping[str, Any], key: str) -> bool | None:
    given = ours.get(key)
    if given is not None and not isinstance(given, bool):
        _refuse("it must be true or false", f"eligibility.{key}")
    return given


def _band(ours: Mapping[str, Any], key: str) -> Band:
    given = ours.get(key, {})
    if not isinstance(given, Mapping) or set(given) - {"min", "max"}:
        _refuse("it must say min, max or both", f"eligibility.{key}")
    return Band(*(_number(given.get(name), f"eligibility.{key}.{name}") for name in ("min", "max")))


def _published_band(document: Mapping[str, Any], key: str, unit_key: str | None) -> Band:
    """URDB's band; its bounds of zero, or of 1e38, are none. We look at twelve months, as nearly all rates do."""
    least, most = (_number(document.get(f"{key}{name}"), f"{key}{name}") for name in ("min", "max"))
    band = Band(least or None, None if not most or most >= _ENDLESS else most)
    if not band:
        return band
    history = _number(document.get(f"{key}history"), f"{key}history")
    if history not in (None, 0, _YEAR):
        _refuse(f"the last {history:f} months are to be looked at, and we look at {_YEAR}", f"{key}history")
    unit = str(document.get(unit_key) or "kW") if unit_key else "kWh"
    if unit.strip().casefold() not in ("kw", "kw daily", "kwh"):
        _refuse(f"a service is not measured in {unit}", str(unit_key))
    return band


def _number(given: Any, where: str) -> Decimal | None:
    if given is None:
        return None
    try:
        number = Decimal(str(given).strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(given, bool) or not number.is_finite() or number < 0:
        _refuse(f"{given!r} is not a number from 0 up", where)
    return number.normalize() if number else Decimal(0)


def _day(sold: Mapping[str, Any], key: str) -> date | None:
    given = sold.get(key)
    if given is None:
        return None
    try:
        return date.fromisoformat(str(given))
    except ValueError:
        _refuse(f"{given!r} is not a date", f"tariff.{key}")


def _instant(document: Mapping[str, Any], key: str) -> date | None:
    """URDB's seconds since 1970, as the day they fall on."""
    seconds = _number(document.get(key), key)
    if not seconds:
        return None
    try:
        return datetime.fromtimestamp(int(seconds), UTC).date()
    except (ValueError, OverflowError, OSError):
        _refuse(f"{document[key]!r} is not a time in seconds since 1970", key)


def _refuse(reason: str, where: str) -> NoReturn:
    raise errors.Invalid("tariff.eligibility", reason=reason, where=where)
