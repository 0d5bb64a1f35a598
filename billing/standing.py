"""How a service stands to the plans: which it may have, and why not the others.

A fixed number of questions to the database, however many plans there are; a year of reads is looked at only where a
rule asks for it.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from billing import eligibility, models, tariffs
from core import errors, periods
from core.accounts import queries as accounts
from core.programs import queries as programs
from metering import quality
from metering import queries as metering


@dataclass(frozen=True)
class Offer:
    """A tariff, its document in force (None: no version is), and why a service may not have it."""

    row: models.TariffRow
    document: Any
    reasons: tuple[eligibility.Sentence, ...]


def list_offers(session: Session, *, agreement: accounts.Agreement, today: date, held: str) -> tuple[Offer, ...]:
    """This will list the tariffs of the service's class worth speaking of, and the one it has (`held`), by code."""
    found = tariffs.list_in_reach(session, customer_kind=agreement.customer_kind, on=today, held=held)
    rules = [tariffs.rules_of(row) for row, _ in found]
    service = service_of(session, agreement=agreement, today=today, load=any(map(eligibility.asks_load, rules)))
    return tuple(
        Offer(row, document, eligibility.reasons(rule, service, held=row.code == held))
        for (row, document), rule in zip(found, rules, strict=True)
    )


def find_offer(session: Session, *, agreement: accounts.Agreement, today: date, code: str, held: str) -> Offer:
    """This will give how the service stands to one tariff; NotFound tariff.unknown."""
    found = tariffs.find(session, code=code, on=today)
    if found is None:
        raise errors.NotFound("tariff.unknown", tariff=code)
    row, document = found
    rules = tariffs.rules_of(row)
    service = service_of(session, agreement=agreement, today=today, load=eligibility.asks_load(rules))
    return Offer(row, document, eligibility.reasons(rules, service, held=code == held))


def service_of(
    session: Session, *, agreement: accounts.Agreement, today: date, load: bool = True
) -> eligibility.Service:
    """This will give what the rules ask of a service."""
    point = accounts.get_service_point(session, service_point_id=agreement.service_point_id, on=today)
    account = accounts.get_account(session, account_id=agreement.account_id)
    customer = accounts.get_customer(session, customer_id=account.customer_id)
    meters = metering.list_meters(session, service_point_id=point.id)
    standing = [meter for meter in meters if meter.removed_on is None or meter.removed_on > today]
    enrolled = programs.list_enrolments(session, account_id=account.id)
    return eligibility.Service(
        customer_kind=agreement.customer_kind,
        city=point.city,
        county=point.county,
        jurisdiction=agreement.jurisdiction,
        today=today,
        customer_since=customer.opened_on,
        sends_out=any(meter.direction == "RECEIVED" for meter in standing),
        interval_meter=any(m.direction == "DELIVERED" and m.interval_minutes is not None for m in standing),
        programs=frozenset(each.program.code for each in enrolled if each.status == "ACTIVE"),
        load=load_of(session, agreement=agreement, today=today) if load else eligibility.Load(),
    )


def load_of(session: Session, *, agreement: accounts.Agreement, today: date) -> eligibility.Load:
    """This will give what an agreement took in the twelve months up to today.

    Demand is what was measured: estimates show no peak. The kWh of fewer days are brought up to a year.
    """
    days = periods.Days(min(today, max(periods.add_months(today, -12), agreement.starts_on)), today)
    if len(days) == 0:
        return eligibility.Load()
    (read,) = metering.usage_grids(
        session,
        service_point_ids=[agreement.service_point_id],
        starts_at=periods.midnight(days.starts_on, agreement.timezone),
        ends_at=periods.midnight(days.ends_on, agreement.timezone),
    )
    wh, known = read.wh[0].astype(np.int64), read.wh[0] >= 0
    step = read.interval_minutes
    annual, peak, peak_on = None, None, None
    if int(known.sum()) * step >= eligibility.LEAST_DAYS * 1440:
        annual = Decimal(int(wh[known].sum())) / 1000 * 365 * 1440 / (int(known.sum()) * step)
    measured = known & (read.quality[0] > quality.Quality.ESTIMATED)
    if measured.any():
        at = int(np.where(measured, wh, -1).argmax())
        peak = int(wh[at]) * 60 // step
        peak_on = periods.civil_day(read.starts_at + at * timedelta(minutes=step), agreement.timezone)
    return eligibility.Load(peak, peak_on, annual)
