"""Filling an empty database with Brightwater Power.

Every figure comes from the hub's own operations: bills are rated from the reads, balances are posted, outages are
opened and restored. Nothing is typed in.
"""

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing import index_loading, issuing, payments, runs, tariffs
from billing import queries as bills
from core import audit, db, log, periods
from core.accounts import homes as homes_of
from core.accounts import operations as accounts
from core.compliance import operations as compliance
from core.fieldwork import jobs as calendar
from core.fieldwork import operations as fieldwork
from core.fieldwork import queries as slots
from core.hub import Hub
from core.outages import operations as outages
from core.outages import planning, reliability
from core.outages import queries as interruptions
from core.programs import catalogue
from core.programs import operations as programs
from metering import bulk, similar_homes
from metering import operations as metering
from metering import queries as meters
from ops_admin.seed import done, load, market, people

logger = log.get(__name__)

MONTHS = 13
COUNTY = "Harbor"
PUBLISHED = 13  # o'clock: tomorrow's prices are known
_LOOKED_AT = timedelta(days=14)  # reads that validation still has to look at; the older ones it did in their time


@dataclasses.dataclass(frozen=True)
class Home:
    """A customer as they stand in the database."""

    person: people.Person
    customer_id: int
    account_id: int
    service_point_id: int
    agreement_id: int
    meter_id: int
    transformer_id: int
    feeder_id: int


def run(hub: Hub, *, customers: int, random_seed: int) -> Iterator[str]:
    """This will fill the database, telling of each step. Filled already: nothing. Half filled: emptied, begun anew."""
    hub = dataclasses.replace(hub, subscriptions={})  # history rings no bells
    with hub.transaction() as session:
        if done.find(session):
            yield "Brightwater Power is there already."
            return
        names = ", ".join(f'"{table.name}"' for table in db.Base.metadata.sorted_tables)
        session.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
    now = hub.now()
    today = periods.civil_day(now, hub.settings.utility_timezone)
    begins = periods.add_months(today, -MONTHS - 1)
    cycles = cycle_days(today)
    town = _town(today, last_cycle_end(today, cycles[0]), customers, random_seed)
    with hub.transaction() as session:
        tariffs.load_published(session, today=today, now=now)
        homes = _settle(hub, session, town, begins, cycles, now)
    yield f"{len(homes)} customers on {len({h.feeder_id for h in homes})} feeders"
    first = begins - timedelta(days=3)
    with hub.transaction() as session:
        count = _reads(session, homes, first, now, random_seed)
        record_weather(session, first, today, random_seed, now)
        record_prices(session, first, hub.settings.utility_timezone, random_seed, now)
    yield f"{count:,} interval reads"
    with hub.transaction() as session:
        _readings(session, homes, first, now, random_seed)
    total = 0
    for run_on in run_days(today, cycles):
        at = periods.at(run_on, time(6), hub.settings.utility_timezone)
        report = runs.run_bills(hub, period_end_on=run_on, now=at, cycle_day=run_on.day)
        total += issuing.issue_bills(hub, run_id=report.run_id, now=at, announce=False)
    yield f"{total:,} bills rated from those reads"
    with hub.transaction() as session:
        paid = _payments(session, homes, now)
    yield f"{paid:,} payments"
    with hub.transaction() as session:
        _outages(hub, session, homes, now, random_seed)
        _programs(session, homes, now, begins, random_seed)
        _fieldwork(session, homes, now)
    calendar.open_slots(hub)
    similar_homes.compare_homes(hub)
    with hub.transaction() as session:
        _visits(session, homes, now)
        audit.record(
            session, actor="seed", action=done.ACTION, subject="utility", subject_id="brightwater", now=now,
            detail={"customers": len(homes), "random_seed": random_seed, "first_day": str(first), "today": str(today)},
        )  # fmt: skip
    yield "an outage in progress, visits, programs"


@dataclasses.dataclass(frozen=True)
class Book:
    """What live reads need: the homes in the order the seed made them, and how they use power."""

    points: tuple[int, ...]
    meters: tuple[int, ...]
    intervals: tuple[bool, ...]
    habits: tuple[load.Habit, ...]
    solar: tuple[tuple[int, float, int], ...]  # row, kW, and the meter of what is sent out
    random_seed: int


def book(session: Session) -> Book | None:
    """This will give the book of the seed that filled this database, or None when none did."""
    entry = done.find(session)
    if entry is None:
        return None
    made = entry.detail
    seeded_on = date.fromisoformat(made["today"])
    cycle_end = last_cycle_end(seeded_on, cycle_days(seeded_on)[0])
    town = _town(seeded_on, cycle_end, made["customers"], made["random_seed"])
    rows = [meters.find_meter_by_number(session, number=f"BWM{index + 100001}") for index in range(len(town))]
    own = [row for row in rows if row is not None]
    return Book(
        points=tuple(row.service_point_id for row in own),
        meters=tuple(row.id for row in own),
        intervals=tuple(row.interval_minutes is not None for row in own),
        habits=tuple(person.habit for person in town),
        solar=tuple(
            (row, person.solar_kw, sent.id)
            for row, person in enumerate(town)
            if person.solar_kw
            and (sent := meters.find_meter_by_number(session, number=f"BWX{row + 100001}")) is not None
        ),
        random_seed=made["random_seed"],
    )


def _town(today: date, cycle_end: date, customers: int, random_seed: int) -> tuple[people.Person, ...]:
    """The named, and their neighbours: whoever is named stands in the place of the first of those."""
    named = people.stories(today, cycle_end)
    return (*named, *people.neighbours(customers - 12, random_seed)[len(named) - 12 :])


def cycle_days(today: date) -> tuple[int, int]:
    """This will choose the two days of the month bills are made: the last one eight days ago, so that it is not due."""
    recent = min((today - timedelta(days=8)).day, 28)
    return recent, (recent + 13) % 28 + 1


def last_cycle_end(today: date, cycle_day: int) -> date:
    """This will give the last day on or before today on which a cycle's period ended."""
    this = today.replace(day=cycle_day)
    return this if this <= today else periods.add_months(this, -1)


def run_days(today: date, cycles: tuple[int, int]) -> list[date]:
    """This will list the days of the bill runs of the last thirteen months, oldest first."""
    return sorted(periods.add_months(last_cycle_end(today, cycle), -back) for cycle in cycles for back in range(MONTHS))


def _settle(
    hub: Hub, session: Session, town: tuple[people.Person, ...], begins: date, cycles: tuple[int, int], now: datetime
) -> list[Home]:
    zone, then = hub.settings.utility_timezone, now - timedelta(days=430)
    network: list[tuple[int, int, str]] = []
    for number in range(5):
        postcode = f"1900{number + 1}"
        feeder = outages.add_feeder(
            session, code=f"BW-{number + 11}", name=people.AREAS[number], substation=f"Substation {number // 2 + 1}",
            postcodes=[postcode],
        )  # fmt: skip
        for position in range(9):
            transformer = outages.add_transformer(
                session, feeder_id=feeder, code=f"T{number + 11}-{position + 1:02}",
                lat=Decimal("40.1000") + number * Decimal("0.01"),
                lon=Decimal("-75.3000") + position * Decimal("0.004"),
            )  # fmt: skip
            network.append((feeder, transformer, postcode))
    homes = []
    for index, person in enumerate(town):
        feeder, transformer, postcode = network[(index * 7) % len(network)]
        address = f"{101 + index * 2} {people.STREETS[index % len(people.STREETS)]}"
        city = "Brightwater" if postcode < "19004" else "Millbrook"
        customer = accounts.create_customer(
            session, full_name=person.name, kind=person.kind, locale=person.locale, opened_on=begins, now=then,
            phone=person.phone, email=person.email, medical_equipment=person.medical,
        )  # fmt: skip
        account = accounts.open_account(
            session, customer_id=customer.id, jurisdiction=hub.settings.jurisdiction, number=person.account,
            bill_cycle_day=cycles[0] if person.key or index % 2 else cycles[1], opened_on=begins, now=then,
            mailing_address=f"{address}, {city}, PA {postcode}", paperless=index % 3 == 0,
        )  # fmt: skip
        premise = accounts.add_premise(
            session, address=address, city=city, postcode=postcode, county=COUNTY, timezone=zone
        )
        homes_of.describe_home(
            session, premise_id=premise, dwelling=person.dwelling, floor_sqft=person.floor_sqft, heating=person.heating
        )
        point = accounts.add_service_point(session, premise_id=premise, transformer_id=transformer)
        agreement = accounts.open_agreement(
            session, account_id=account.id, service_point_id=point, starts_on=begins, now=then
        )
        meter = metering.install_meter(
            session, service_point_id=point, number=f"BWM{index + 100001}", installed_on=begins - timedelta(days=30),
            interval_minutes=None if person.register_meter else 60, digits=6,
        )  # fmt: skip
        if person.solar_kw:
            metering.install_meter(
                session, service_point_id=point, number=f"BWX{index + 100001}",
                installed_on=begins - timedelta(days=30), interval_minutes=60, direction="RECEIVED",
            )  # fmt: skip
        tariffs.assign(session, agreement_id=agreement.id, tariff_code=person.plan, starts_on=begins, now=then)
        for channel, value in (("SMS", person.phone), ("EMAIL", person.email)) if index % 5 == 0 else ():
            accounts.record_consent(
                session, contact_value=value, customer_id=customer.id, channel=channel, granted=True,
                source="application", now=then,
            )  # fmt: skip
        homes.append(Home(person, customer.id, account.id, point, agreement.id, meter.id, transformer, feeder))
    return homes


def _reads(session: Session, homes: list[Home], first: date, now: datetime, seed: int) -> int:
    """Interval reads from the first day to the last full hour, drawn as live reads will be."""
    habits = [home.person.habit for home in homes]
    days = [first + timedelta(days=n) for n in range((now.date() - first).days + 1)]
    wh = np.concatenate([load.day_wh(habits, day, seed) for day in days], axis=1)
    ended = slice((len(days) - 1) * 24 + now.hour, None)
    keep = functools.partial(bulk.load_matrix, session, day_from=first, now=now, judged_until=now.date() - _LOOKED_AT)
    count = 0
    for row, home in enumerate(homes):
        sent_out = meters.find_meter(session, service_point_id=home.service_point_id, direction="RECEIVED")
        if sent_out is not None:
            sun = np.concatenate([load.solar_wh(home.person.solar_kw, day, seed) for day in days])
            wh[row], sent = load.behind_the_meter(wh[row], sun)
            sent[ended] = -1
            count += keep(meter_ids=[sent_out.id], wh=sent[None, :])
    wh[:, ended] = -1
    metered = [row for row, home in enumerate(homes) if not home.person.register_meter]
    return count + keep(meter_ids=[homes[row].meter_id for row in metered], wh=wh[metered])


def record_weather(session: Session, first: date, today: date, seed: int, now: datetime) -> None:
    """This will keep the weather of the days from the first to yesterday."""
    for day in periods.Days(first, today):
        low, high = load.weather_f(day, seed)
        compliance.record_weather(
            session, county=COUNTY, day=day, low_f=low, high_f=high, source="demonstration", now=now
        )


def record_prices(session: Session, first: date, timezone: str, seed: int, now: datetime) -> None:
    """This will keep the market's prices from a day on: to today, and from the afternoon on to tomorrow."""
    local = periods.local(now, timezone)
    known = local.date() + timedelta(days=2 if local.hour >= PUBLISHED else 1)
    days = periods.Days(first, known)
    index_loading.load(
        session,
        code=market.CODE,
        parsed=market.parsed(days, timezone, seed),
        source="demonstration",
        by="seed",
        now=now,
    )


def _readings(session: Session, homes: list[Home], first: date, now: datetime, seed: int) -> None:
    """Homes with a dial: the dial was read around the end of each month, and days between are settled by profile."""
    habits = [home.person.habit for home in homes]
    for row, home in enumerate(homes):
        if not home.person.register_meter:
            continue
        total = 41_200_000  # the dial did not start at nought
        day = first
        while day < now.date():
            if (day - first).days % 15 == 0:
                at = datetime.combine(day, time(12), tzinfo=UTC)
                metering.submit_reading(
                    session, service_point_id=home.service_point_id, value=total // 1000, source="FIELD",
                    key=f"seed:{home.meter_id}:{day}", now=at,
                )  # fmt: skip
            total += int(load.day_wh(habits, day, seed)[row].sum())
            day += timedelta(days=1)


def _payments(session: Session, homes: list[Home], now: datetime) -> int:
    """Everybody pays three days before the due date, but for the last bills of those who have not."""
    lines = []
    for home in homes:
        listed = [b for b in bills.list_bills(session, account_id=home.account_id, limit=40) if b.total > 0]
        for bill in listed[home.person.unpaid :]:
            assert bill.due_on is not None
            at = datetime.combine(bill.due_on - timedelta(days=3), time(15), tzinfo=UTC)
            if at < now:
                lines.append(payments.FilePayment(home.account_id, f"LB-{bill.id}", bill.total, "bank_transfer", at))
    lines.sort(key=lambda line: line.at)
    return payments.record_payment_file(session, gateway="lockbox", payments=lines, now=now)


def _outages(hub: Hub, session: Session, homes: list[Home], now: datetime, seed: int) -> None:
    """Two years of interruptions, one in progress where Ben lives, and planned work next week where Ivy does."""
    random = np.random.default_rng([seed, 2])
    transformers = sorted({(home.transformer_id, home.feeder_id) for home in homes})
    ben = next(home for home in homes if home.person.key == "ben")
    ivy = next(home for home in homes if home.person.key == "ivy")
    moments = sorted(now - timedelta(hours=float(hours)) for hours in random.uniform(30, 24 * 420, 70))
    for started in moments:
        transformer, feeder = transformers[int(random.integers(len(transformers)))]
        wide = random.random() < 0.06
        lasted = timedelta(minutes=float(random.lognormal(5.6 if wide else 4.2, 0.6)))
        cause = str(random.choice(["WEATHER", "TREE", "EQUIPMENT", "ANIMAL", "UNKNOWN"], p=[0.3, 0.25, 0.25, 0.1, 0.1]))
        opened = outages.open_outage(
            session, feeder_id=feeder, transformer_id=None if wide else transformer, cause=cause, started_at=started,
            now=started,
        )  # fmt: skip
        outages.restore_outage(session, outage_id=opened.id, at=started + lasted, now=started + lasted)
    _threshold(session, len(homes), now)
    started = now - timedelta(minutes=95)
    current = outages.open_outage(
        session, feeder_id=ben.feeder_id, transformer_id=ben.transformer_id, cause="EQUIPMENT",
        estimated_restoration_at=_quarter(now + timedelta(hours=2)), started_at=started, now=started,
    )  # fmt: skip
    outages.update_outage(session, outage_id=current.id, crew_status="ASSIGNED", now=now - timedelta(minutes=50))
    at = periods.at(
        periods.civil_day(now, hub.settings.utility_timezone) + timedelta(days=6),
        time(9),
        hub.settings.utility_timezone,
    )
    planning.plan_outage(
        session, feeder_id=ivy.feeder_id, transformer_id=ivy.transformer_id, reason="MAINTENANCE",
        starts_at=at, ends_at=at + timedelta(hours=3), now=now,
    )  # fmt: skip


def _threshold(session: Session, served: int, now: datetime) -> None:
    """What counts as a major day of this year is settled from the days of the years before it."""
    daily: dict[date, float] = defaultdict(float)
    for cut in interruptions.list_interruptions(
        session, starts_at=now - timedelta(days=5 * 366), ends_at=datetime(now.year, 1, 1, tzinfo=UTC)
    ):
        if cut.restored_at is not None and cut.restored_at - cut.started_at > timedelta(minutes=5):
            daily[cut.started_at.date()] += (cut.restored_at - cut.started_at).total_seconds() / 60 / served
    threshold = reliability.major_event_threshold(list(daily.values()))
    if threshold is not None:
        outages.set_threshold(session, year=now.year, threshold=threshold, now=now)


def _programs(session: Session, homes: list[Home], now: datetime, begins: date, seed: int) -> None:
    random = np.random.default_rng([seed, 3])
    offered = catalogue.load(session, opens_on=begins)
    for home in homes:
        for program in offered:
            fits = home.person.kind in program.customer_kinds and not program.requires and not program.tariff_kinds
            if not fits or random.random() > 0.09 or home.person.key in ("ivy", "maya"):
                continue
            at = now - timedelta(days=int(random.integers(20, 300)))
            made = programs.enroll(
                session, account_id=home.account_id, program_code=program.code,
                key=f"seed:{home.account_id}:{program.id}",
                now=at,
            )  # fmt: skip
            if made.status == "REQUESTED":
                programs.decide_enrolment(session, enrolment_id=made.id, approved=True, now=at + timedelta(days=2))
            if program.rebate_amount > 0:
                claim = programs.claim_rebate(
                    session, account_id=home.account_id, program_code=program.code,
                    evidence=f"receipt-{home.account_id}-{program.id}",
                    key=f"seed:rebate:{home.account_id}:{program.id}", now=at + timedelta(days=5),
                )  # fmt: skip
                if random.random() < 0.6:
                    programs.advance_rebate(session, rebate_id=claim.id, status="APPROVED", now=at + timedelta(days=9))
                    programs.advance_rebate(session, rebate_id=claim.id, status="PAID", now=at + timedelta(days=15))


def _fieldwork(session: Session, homes: list[Home], now: datetime) -> None:
    lines = ["REPAIR", "MAINTENANCE", "METER_TEST", "NEW_CONNECTION", "RECONNECT", "TREE", "STREETLIGHT",
             "START_SERVICE",
             "STOP_SERVICE", "MOVE", "SOLAR"]  # fmt: skip
    for number, name in enumerate(("North", "South", "Harbor")):
        fieldwork.add_crew(session, code=f"CREW-{number + 1}", name=name, skills=lines, capacity=2)
    for index, home in enumerate(homes[20:32]):
        kind, description = (
            ("REPAIR", "Meter box cover is broken"), ("TREE", "Branch touching the service line"),
            ("METER_TEST", "Meter seems to run fast"), ("NEW_CONNECTION", "Garage to be connected"),
        )[index % 4]  # fmt: skip
        opened = fieldwork.open_request(
            session, kind=kind, account_id=home.account_id, customer_id=home.customer_id, description=description,
            key=f"seed:request:{home.account_id}", now=now - timedelta(days=2 + index),
        )  # fmt: skip
        if index % 3 == 0:
            fieldwork.add_update(
                session, request_id=opened.id, note="Looked at from the road; parts ordered", status="IN_PROGRESS",
                now=now - timedelta(days=1),
            )  # fmt: skip


def _visits(session: Session, homes: list[Home], now: datetime) -> None:
    """Two visits are booked; Ivy has an open request and no visit yet: she books hers in her story."""
    ivy = next(home for home in homes if home.person.key == "ivy")
    fieldwork.open_request(
        session, kind="REPAIR", account_id=ivy.account_id, customer_id=ivy.customer_id,
        description="Lights flicker in the evening", key="seed:ivy", now=now - timedelta(days=1),
    )  # fmt: skip
    for home in homes[40:42]:
        request = fieldwork.open_request(
            session, kind="REPAIR", account_id=home.account_id, customer_id=home.customer_id,
            description="Outdoor socket is dead", key=f"seed:visit:{home.account_id}", now=now - timedelta(days=3),
        )  # fmt: skip
        free = slots.list_slots(session, kind="REPAIR", after=now + timedelta(days=2), limit=3)
        if free:
            fieldwork.book_appointment(
                session, request_id=request.id, slot_id=free[0].id, key=f"seed:visit:{home.account_id}", now=now
            )


def _quarter(at: datetime) -> datetime:
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
