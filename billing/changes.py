"""What a customer changes about billing: the tariff, automatic payment, and the word that a bill is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from billing import ledger, models, news, once, owed, pricing, rules, runs, settling, standing, tariffs, views
from core import audit, errors, money, periods
from core.accounts import queries as accounts
from core.compliance import rules as compliance


@dataclass(frozen=True)
class Considered:
    """A switch that may be made; `document` is the plan wanted, as it is sold today."""

    place: pricing.Place
    current: views.Tariff
    document: Any
    starts_on: date
    cooling_off_until: date
    fee_cents: int


def switch_tariff(
    session: Session, *, account_id: int, tariff_code: str, starts_on: date | None, key: str, now: datetime
) -> views.Switch:
    """This will move an account to another tariff: from a day, or from its next bill period.

    NotFound tariff.unknown; Refused tariff.same, tariff.not_for_you, tariff.switch_pending, tariff.service_ends;
    Invalid tariff.starts_on.
    Leaving a term early costs its exit fee, unless it is still in its cooling-off days.
    """
    once.lock_account(session, account_id)
    before = once.answered(session, key=key, operation="switch_tariff", account_id=account_id)
    if before is not None:
        return _switch(before)
    asked = consider(session, account_id=account_id, tariff_code=tariff_code, starts_on=starts_on, now=now)
    starts_on, until, fee = asked.starts_on, asked.cooling_off_until, asked.fee_cents
    tariffs.assign(
        session, agreement_id=asked.place.agreement.id, tariff_code=tariff_code, starts_on=starts_on, now=now,
        cooling_off_until=until,
    )  # fmt: skip
    if fee:
        _charge_exit(session, account_id, fee, asked.current.code, starts_on, key, now)
    result = {
        "from_code": asked.current.code,
        "to_code": tariff_code,
        "to_name": tariffs.list_names(session, codes=[tariff_code])[tariff_code],
        "starts_on": starts_on.isoformat(),
        "cooling_off_until": until.isoformat(),
        "exit_fee": str(money.from_cents(fee)),
    }
    once.answer(session, key=key, operation="switch_tariff", account_id=account_id, result=result, now=now)
    news.tell(session, "tariff.switched", accounts.get_account(session, account_id=account_id), result, now)
    return _switch(result)


def consider(
    session: Session, *, account_id: int, tariff_code: str, starts_on: date | None, now: datetime
) -> Considered:
    """This will say what a switch would come to, or refuse it with the errors of `switch_tariff`; changes nothing."""
    place = pricing.place_of(session, account_id=account_id, now=now)
    today = place.today
    current = tariffs.current_tariff(session, agreement_id=place.agreement.id, on=today)
    offer = standing.find_offer(session, agreement=place.agreement, today=today, code=tariff_code, held=current.code)
    if offer.reasons:
        told = [{"kind": reason.kind, "data": dict(reason.data)} for reason in offer.reasons]
        raise errors.Refused("tariff.not_for_you", tariff=tariff_code, reasons=told)
    if current.code == tariff_code:
        raise errors.Refused("tariff.same", tariff=tariff_code)
    if _held(session, place.agreement.id, after=today):
        raise errors.Refused("tariff.switch_pending")
    starts_on = starts_on or runs.open_period(place.agreement, today).ends_on
    if not today <= starts_on <= today + timedelta(days=90):
        raise errors.Invalid("tariff.starts_on", earliest=today.isoformat())
    ends_on = place.agreement.ends_on
    if ends_on is not None and starts_on >= ends_on:
        raise errors.Refused("tariff.service_ends", on=ends_on.isoformat())
    fee = _exit_fee(session, place.agreement.id, current, starts_on, today)
    agreed_on = max(today, starts_on)
    until = max(
        agreed_on + timedelta(days=offer.row.cooling_off_days),
        rules.cooling_off(place.agreement.jurisdiction, agreed_on),
    )
    return Considered(place, current, offer.document, starts_on, until, fee)


def find_tariff(session: Session, *, account_id: int, tariff_code: str, now: datetime) -> views.TariffFor:
    """This will give a tariff as an account sees it: its terms, whom it is for, and whether it is open to them.

    NotFound tariff.unknown.
    """
    place = pricing.place_of(session, account_id=account_id, now=now)
    current = tariffs.current_tariff(session, agreement_id=place.agreement.id, on=place.today)
    offer = standing.find_offer(
        session, agreement=place.agreement, today=place.today, code=tariff_code, held=current.code
    )
    shown = tariffs.view(offer.row, offer.document, place.today)
    return views.TariffFor(shown, tariff_code == current.code, offer.reasons)


def switch_dates(session: Session, *, account_id: int, now: datetime) -> tuple[date, ...]:
    """This will give the days a switch may start on that are worth offering: today, and the next two bill periods.

    None from which the service is no longer there.
    """
    place = pricing.place_of(session, account_id=account_id, now=now)
    following = runs.open_period(place.agreement, place.today).ends_on
    days = dict.fromkeys((place.today, following, periods.add_months(following, 1)))
    return tuple(day for day in days if day < (place.agreement.ends_on or date.max))


def recent_switch(session: Session, *, account_id: int, now: datetime) -> views.RecentSwitch | None:
    """This will give the newest switch while it can be taken back; None when there is none, or its days are over."""
    place = pricing.place_of(session, account_id=account_id, now=now)
    pair = _newest(session, place)
    if pair is None:
        return None
    newest, previous = pair
    codes = _codes(session, pair)
    fee = _exit_charge(session, account_id, newest.term_starts_on)
    assert newest.cooling_off_until is not None  # or it would not be given
    names = tariffs.list_names(session, codes=set(codes.values()))
    return views.RecentSwitch(
        from_code=codes[previous.id],
        to_code=codes[newest.id],
        starts_on=newest.term_starts_on,
        begun=newest.starts_on <= place.today,
        until=newest.cooling_off_until,
        exit_fee=money.from_cents(fee.amount_cents if fee else 0),
        from_name=names[codes[previous.id]],
        to_name=names[codes[newest.id]],
    )


def cancel_switch(
    session: Session, *, account_id: int, key: str, now: datetime, meant: tuple[str, date] | None = None
) -> views.Switch:
    """This will take a switch back while it is in its cooling-off days; Refused tariff.no_cooling_off afterwards.

    `meant` names it by plan and first day: Refused tariff.another_switch when the newest is not that one any more.
    """
    once.lock_account(session, account_id)
    before = once.answered(session, key=key, operation="cancel_switch", account_id=account_id)
    if before is not None:
        return _switch(before)
    place = pricing.place_of(session, account_id=account_id, now=now)
    pair = _newest(session, place)
    if pair is None:
        raise errors.Refused("tariff.no_cooling_off")
    newest, previous = pair
    codes = _codes(session, pair)
    to_code, from_code = codes[newest.id], codes[previous.id]
    if meant not in (None, (to_code, newest.term_starts_on)):
        raise errors.Refused("tariff.another_switch")
    starts_on = max(newest.starts_on, place.today)
    _waive_exit(session, account_id, newest.term_starts_on, now)
    if previous.ends_on == newest.starts_on >= place.today:
        # as if it had never been asked for: the term of the old plan runs on, and another switch is not in its way
        session.delete(newest)
        session.flush()
        previous.ends_on = None
        session.flush()
    else:  # what has been used under the new plan stays under it; then the old term goes on, with what it still allows
        tariffs.assign(
            session, agreement_id=place.agreement.id, tariff_code=from_code, starts_on=starts_on, now=now,
            cooling_off_until=previous.cooling_off_until, term_starts_on=previous.term_starts_on,
        )  # fmt: skip
    result = {
        "from_code": to_code,
        "to_code": from_code,
        "to_name": tariffs.list_names(session, codes=[from_code])[from_code],
        "starts_on": starts_on.isoformat(),
        "cooling_off_until": starts_on.isoformat(),
        "exit_fee": "0.00",
    }
    once.answer(session, key=key, operation="cancel_switch", account_id=account_id, result=result, now=now)
    news.tell(session, "tariff.switched", accounts.get_account(session, account_id=account_id), result, now)
    return _switch(result)


def set_autopay(
    session: Session, *, account_id: int, enabled: bool, saved_method_id: int | None, key: str, now: datetime
) -> views.Autopay:
    """This will turn automatic payment on (with a kept method, the newest unless one is named) or off.

    Refused autopay.no_method when none is kept; NotFound method.unknown when the one named is not the account's.
    """
    once.lock_account(session, account_id)
    methods = owed.list_saved_methods(session, account_id=account_id)
    row = session.get(models.AutopayRow, account_id, with_for_update=True)
    if once.answered(session, key=key, operation="set_autopay", account_id=account_id) is None:
        method = next((m for m in methods if saved_method_id in (None, m.id)), None)
        if enabled and method is None:
            raise errors.Refused("autopay.no_method") if saved_method_id is None else errors.NotFound("method.unknown")
        if row is None:
            row = models.AutopayRow(account_id=account_id, enabled=enabled, saved_method_id=None, changed_at=now)
            session.add(row)
        row.enabled, row.changed_at, row.paused_for = enabled, now, None
        if enabled and method is not None:
            row.saved_method_id = method.id
        session.flush()
        once.answer(
            session, key=key, operation="set_autopay", account_id=account_id, result={"enabled": enabled}, now=now
        )
        news.tell(
            session, "autopay.changed", accounts.get_account(session, account_id=account_id), {"enabled": enabled}, now
        )
    assert row is not None  # a key that was answered left a row behind
    return views.Autopay(account_id, row.enabled, next((m for m in methods if m.id == row.saved_method_id), None))


def open_dispute(
    session: Session, *, account_id: int, bill_id: int, reason: str, key: str, now: datetime
) -> views.Dispute:
    """This will note that a customer says a bill is wrong; no late fee is charged on it until that is decided.

    NotFound bill.unknown when the bill is not the account's; a bill has one open dispute at most, which is given back.
    """
    once.lock_account(session, account_id)
    bill = session.get(models.BillRow, bill_id)
    if bill is None or bill.account_id != account_id or bill.status != "ISSUED":
        raise errors.NotFound("bill.unknown")
    row = session.scalars(
        select(models.DisputeRow).where(
            or_(
                models.DisputeRow.key == key,
                (models.DisputeRow.bill_id == bill_id) & (models.DisputeRow.status == "OPEN"),
            )
        )
    ).first()
    if row is None:
        row = models.DisputeRow(
            number=key, key=key, account_id=account_id, bill_id=bill_id, reason=reason.strip(), opened_at=now
        )
        session.add(row)
        session.flush()
        row.number = f"D-{row.id:06d}"
        session.flush()
        news.tell(
            session,
            "dispute.opened",
            accounts.get_account(session, account_id=account_id),
            {"dispute_id": row.id, "bill_id": bill_id},
            now,
        )
    return owed.dispute_view(row)


def list_open_disputes(session: Session, *, limit: int = 100) -> tuple[views.Dispute, ...]:
    """This will list the disputes that wait for a decision, oldest first."""
    row = models.DisputeRow
    rows = session.scalars(select(row).where(row.status == "OPEN").order_by(row.id).limit(limit))
    return tuple(owed.dispute_view(each) for each in rows)


def close_dispute(session: Session, *, dispute_id: int, outcome: str, actor: str, now: datetime) -> views.Dispute:
    """This will decide a dispute: UPHELD (the bill was wrong), REJECTED, or WITHDRAWN. The customer is told."""
    row = lock_dispute(session, dispute_id=dispute_id, outcome=outcome)
    if row.status == "OPEN":
        row.status, row.closed_at = outcome, now
        session.flush()
        bill = session.get_one(models.BillRow, row.bill_id)
        account = accounts.get_account(session, account_id=row.account_id)
        payload = {
            "dispute_id": row.id, "bill_id": row.bill_id, "outcome": outcome, "number": row.number,
            "bill_number": bill.number, "total": str(money.from_cents(bill.total_cents)),
            "regulator_phone": str(compliance.rule(account.jurisdiction, "regulator", now.date()).values["phone"]),
        }  # fmt: skip
        news.tell(session, "dispute.closed", account, payload, now)
        audit.record(
            session, actor=actor, action="dispute.closed", subject="dispute", subject_id=row.id, now=now,
            detail={"outcome": outcome, "bill": bill.number},
        )  # fmt: skip
    return owed.dispute_view(row)


def lock_dispute(session: Session, *, dispute_id: int, outcome: str) -> models.DisputeRow:
    """This will hold a dispute for a decision. Refused dispute.closed when it was decided otherwise."""
    if outcome not in ("UPHELD", "REJECTED", "WITHDRAWN"):
        raise errors.Invalid("dispute.outcome", outcome=outcome)
    row = session.get(models.DisputeRow, dispute_id, with_for_update=True)
    if row is None:
        raise errors.NotFound("dispute.unknown")
    if row.status not in ("OPEN", outcome):
        raise errors.Refused("dispute.closed", status=row.status)
    return row


def _newest(
    session: Session, place: pricing.Place
) -> tuple[models.AgreementTariffRow, models.AgreementTariffRow] | None:
    """The newest switch and what it was from; None when it cannot be taken back (any more)."""
    held = models.AgreementTariffRow
    rows = session.scalars(
        select(held).where(held.agreement_id == place.agreement.id).order_by(held.starts_on.desc())
    ).all()
    if not rows or rows[0].cooling_off_until is None or rows[0].cooling_off_until < place.today:
        return None
    newest = rows[0]
    # what lies between a term and its going on was undone: before the term is what it was from
    previous = next((row for row in rows if row.starts_on < newest.term_starts_on), None)
    return (newest, previous) if previous else None


def _codes(session: Session, held: Sequence[models.AgreementTariffRow]) -> dict[int, str]:
    row = models.TariffRow
    found = session.execute(select(row.id, row.code).where(row.id.in_([one.tariff_id for one in held])))
    codes = dict(found.tuples().all())
    return {one.id: codes[one.tariff_id] for one in held}


def _held(session: Session, agreement_id: int, *, after: date) -> bool:
    held = models.AgreementTariffRow
    return (
        session.scalar(select(held.id).where(held.agreement_id == agreement_id, held.starts_on > after).limit(1))
        is not None
    )


def _exit_fee(session: Session, agreement_id: int, current: views.Tariff, leaves_on: date, today: date) -> int:
    held = models.AgreementTariffRow
    until = session.scalar(
        select(held.cooling_off_until).where(
            held.agreement_id == agreement_id,
            held.starts_on <= today,
            or_(held.ends_on.is_(None), held.ends_on > today),
        )
    )
    cooling = until is not None and today <= until
    if cooling or current.since is None or not current.term_months:
        return 0
    return money.cents(current.exit_fee) if leaves_on < periods.add_months(current.since, current.term_months) else 0


def _charge_exit(session: Session, account_id: int, cents: int, tariff: str, on: date, key: str, now: datetime) -> None:
    row = models.ChargeRow(
        kind="EXIT_FEE", account_id=account_id, bill_id=None, amount_cents=cents, rule=tariff, charged_on=on
    )
    session.add(row)
    session.flush()
    journal = ledger.Journal(
        key=f"exit-fee:{row.id}",
        kind="EXIT_FEE",
        account_id=account_id,
        effective_on=on,
        amounts={ledger.RECEIVABLE: cents, ledger.FEE_REVENUE: -cents},
    )
    ledger.post_journals(session, [journal], now=now)
    settling.settle(session, account_ids=[account_id], now=now)


def _exit_charge(session: Session, account_id: int, on: date) -> models.ChargeRow | None:
    fee = models.ChargeRow
    return session.scalars(
        select(fee).where(
            fee.account_id == account_id, fee.kind == "EXIT_FEE", fee.charged_on == on, fee.waived_at.is_(None)
        )
    ).first()


def _waive_exit(session: Session, account_id: int, on: date, now: datetime) -> None:
    """Taking a switch back costs nothing: the fee for leaving goes with it, and what was paid on it is free again."""
    row = _exit_charge(session, account_id, on)
    if row is None:
        return
    row.waived_at = now
    session.flush()
    session.execute(delete(models.AllocationRow).where(models.AllocationRow.charge_id == row.id))
    journal = ledger.Journal(
        key=f"exit-fee-waived:{row.id}",
        kind="ADJUSTMENT",
        account_id=account_id,
        effective_on=on,
        amounts={ledger.RECEIVABLE: -row.amount_cents, ledger.FEE_REVENUE: row.amount_cents},
    )
    ledger.post_journals(session, [journal], now=now)
    settling.settle(session, account_ids=[account_id], now=now)


def _switch(found: Mapping[str, Any]) -> views.Switch:
    return views.Switch(
        from_code=found["from_code"],
        to_code=found["to_code"],
        starts_on=date.fromisoformat(found["starts_on"]),
        cooling_off_until=date.fromisoformat(found["cooling_off_until"]),
        exit_fee=money.parse(found["exit_fee"]),
        to_name=found.get("to_name", f"tariff.{found['to_code']}.name"),
    )
