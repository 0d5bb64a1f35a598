"""News that customers did not ask for: outages, bills, payments, appointments, requests, changes, unusual use.

Each goes out once: the key of a notice names what it is about, and the same news again is nothing new.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from core import outbox, periods, wording
from core.accounts import queries as accounts
from core.conversations import delivery, sending
from core.conversations.house import house
from core.fieldwork import queries as fieldwork
from core.hub import Hub
from core.outages import queries as outages
from core.programs import queries as programs

AT_ONCE = 200  # customers in one handler run; a larger outage is told in buckets, each its own delivery
BUCKETS = 64
_CHUNK = 50
_NEWS_FOR = timedelta(days=2)
_AT_HAND = ("SMS", "WHATSAPP", "EMAIL")  # short, and of today
# what was just agreed in a conversation needs no second word there, but a customer may want to keep it
_IN_WRITING = ("EMAIL",)
_FOR_SURE = ("EMAIL", "WHATSAPP", "SMS")
_SOON = timedelta(hours=24)
_PLANNED = {"SCHEDULED": "notice.outage_planned", "CANCELLED": "notice.outage_planned_cancelled"}


def notify_outage(hub: Hub, fact: outbox.Fact) -> None:
    """This will tell the customers of an outage: that we know, what is new, that power is back.

    Subscribe to ``outage.opened``, ``outage.updated``, ``outage.restored`` and ``outage.notice_due``.
    """
    stage = str(fact.payload.get("stage") or fact.name.removeprefix("outage."))
    with hub.transaction() as session:
        outage = outages.get_outage(session, outage_id=int(fact.payload["outage_id"]))
        late = stage != "restored" and outage.status == "RESTORED"
        if outage.momentary or not outage.announced or late or outage.status == "MERGED":
            return  # over before it could be told, kept back, or told as part of a larger one
        points = outages.list_affected(session, outage_id=outage.id)
    kind, data, news = _outage_news(outage, stage)
    again = {"outage_id": outage.id, "stage": stage}
    _tell_many(hub, fact, points, kind=kind, data=data, key=f"outage:{outage.id}:{news}", again=again)


def notify_planned(hub: Hub, fact: outbox.Fact) -> None:
    """This will tell of planned work before it begins, or that it will not be.

    Subscribe to ``outage.planned``, ``outage.planned_cancelled`` and ``outage.planned_notice_due``.
    """
    with hub.transaction() as session:
        planned = outages.get_planned(session, planned_id=int(fact.payload["planned_id"]))
        if planned.starts_at <= hub.now() or planned.status not in _PLANNED:
            return
        points = outages.list_planned_points(session, planned_id=planned.id)
    kind = _PLANNED[planned.status]
    data = {"area": planned.area, "starts_at": planned.starts_at, "ends_at": planned.ends_at}
    if planned.status == "CANCELLED" and fact.name == "outage.planned":
        return  # called off before it could be told
    key = f"planned:{planned.id}:{planned.status}"
    _tell_many(hub, fact, points, kind=kind, data=data, key=key, again={"planned_id": planned.id})


def notify_bill(hub: Hub, fact: outbox.Fact) -> None:
    """This will tell a customer that a bill is there; not of one that was due before today (history being loaded)."""
    payload = fact.payload
    due_on = date.fromisoformat(str(payload["due_on"]))
    if due_on < periods.civil_day(hub.now(), hub.settings.utility_timezone):
        return
    _tell(
        hub,
        account_id=int(payload["account_id"]),
        kind="notice.budget_bill" if "budget_due" in payload else "notice.bill_issued",
        data={"total": str(payload["total"]), "due_on": due_on, "budget_due": payload.get("budget_due")},
        purpose="SERVICE",
        key=f"bill:{payload['bill_id']}",
    )


def notify_payment(hub: Hub, fact: outbox.Fact) -> None:
    """This will thank for a payment, say that one failed, or that money goes back.

    Subscribe to ``payment.received``, ``payment.failed``, ``payment.returned`` and ``payment.refunded``.
    """
    payload, news = fact.payload, fact.name.removeprefix("payment.")
    if _old(hub, fact):
        return
    _tell(
        hub,
        account_id=int(payload["account_id"]),
        kind=f"notice.payment_{news}",
        data={
            "amount": str(payload["amount"]),
            "refunded": str(payload.get("refunded") or payload["amount"]),
            "fee": str(payload.get("fee") or "0.00"),
        },
        purpose="SERVICE",
        # what goes back may go in parts, and each is news
        key=f"{fact.name}:{payload['payment_id']}" + (f":{payload['refunded']}" if news == "refunded" else ""),
        channels={"failed": _AT_HAND, "returned": _AT_HAND, "refunded": _FOR_SURE}.get(news, _IN_WRITING),
    )


def notify_autopay_paused(hub: Hub, fact: outbox.Fact) -> None:
    """This will tell a customer that automatic payment waits for them. For ``autopay.paused``."""
    if _old(hub, fact):
        return
    _tell(
        hub,
        account_id=int(fact.payload["account_id"]),
        kind="notice.autopay_paused",
        data={},
        purpose="SERVICE",
        key=f"autopay-paused:{fact.payload['account_id']}:{fact.id}",
        channels=_FOR_SURE,
    )


def notify_debit(hub: Hub, fact: outbox.Fact) -> None:
    """This will tell a customer what is going to be debited, when, and under which mandate. For ``debit.announced``."""
    payload = fact.payload
    collect_on = date.fromisoformat(str(payload["collect_on"]))
    if collect_on < periods.civil_day(hub.now(), hub.settings.utility_timezone):
        return
    _tell(
        hub,
        account_id=int(payload["account_id"]),
        kind="notice.debit_announced",
        data={
            "amount": str(payload["amount"]),
            "collect_on": collect_on,
            "mandate": str(payload["mandate"]),
            "creditor": str(payload["creditor"]),
            "last4": str(payload["last4"]),
        },
        purpose="SERVICE",
        key=f"debit:{payload['notice_id']}",
        channels=_FOR_SURE,
    )


def notify_appointment(hub: Hub, fact: outbox.Fact) -> None:
    """This will confirm, in writing, what was agreed of an appointment, and remind of it shortly before.

    Subscribe to ``appointment.booked``, ``.moved``, ``.cancelled`` and ``.reminder``.
    """
    news = fact.name.removeprefix("appointment.")
    with hub.transaction() as session:
        visit = fieldwork.get_appointment(session, appointment_id=int(fact.payload["appointment_id"]))
        starts_at = datetime.fromisoformat(str(fact.payload["starts_at"]))
        ends_at = datetime.fromisoformat(str(fact.payload["ends_at"]))
        if visit.status != ("CANCELLED" if news == "cancelled" else "BOOKED") or starts_at < hub.now():
            return
        if visit.starts_at != starts_at:
            return  # moved since: that is told by itself
        customer_id = _customer_of(session, visit.customer_id, visit.account_id)
        if customer_id is None:
            return
        sending.notify_customer(
            session,
            customer_id=customer_id,
            kind=f"notice.appointment_{news}",
            data={"starts_at": starts_at, "ends_at": ends_at},
            purpose="SERVICE",
            key=f"appointment:{visit.id}:{news}:{starts_at.isoformat()}",
            now=hub.now(),
            house=house(hub.settings),
            channels=_of_visit(news, starts_at - hub.now()),
        )


def notify_request(hub: Hub, fact: outbox.Fact) -> None:
    """This will confirm a request in writing and tell of each state it comes to, once.

    Subscribe to ``request.opened`` and ``request.updated``. A visit that was arranged is told by its appointment, a
    disconnection by the notices that precede it.
    """
    with hub.transaction() as session:
        request = fieldwork.get_request_by_id(session, request_id=int(fact.payload["request_id"]))
        if request.kind in ("CALLBACK", "DISCONNECT") or request.status == "SCHEDULED" or _old(hub, fact):
            return
        if fact.name == "request.updated" and request.status == "OPEN":
            return  # a note for the crews
        customer_id = _customer_of(session, request.customer_id, request.account_id)
        if customer_id is None:
            return
        sending.notify_customer(
            session,
            customer_id=customer_id,
            kind="notice.request_opened" if request.status == "OPEN" else "notice.request_updated",
            data={"number": request.number, "work": request.kind, "status": request.status},
            purpose="SERVICE",
            key=f"request:{request.id}:{request.status}",
            now=hub.now(),
            house=house(hub.settings),
            channels=_IN_WRITING if request.status == "OPEN" else _FOR_SURE,
        )


def notify_switch(hub: Hub, fact: outbox.Fact) -> None:
    """This will confirm a change of tariff in writing, with the days in which it can be taken back.

    Subscribe to ``tariff.switched``.
    """
    payload = fact.payload
    if _old(hub, fact):
        return
    _tell(
        hub,
        account_id=int(payload["account_id"]),
        kind="notice.tariff_switched",
        data={
            "tariff": payload.get("to_name", f"tariff.{payload['to_code']}.name"),
            "starts_on": payload["starts_on"],
            "until": payload["cooling_off_until"] if payload["cooling_off_until"] > payload["starts_on"] else None,
        },
        purpose="SERVICE",
        key=f"switch:{payload['account_id']}:{fact.id}",
        channels=_FOR_SURE,
    )


def notify_enrolment(hub: Hub, fact: outbox.Fact) -> None:
    """This will confirm what a customer joined, or asked to join: an answer to their own act, not an offer.

    Subscribe to ``program.enrolled``.
    """
    account_id, enrolment_id = int(fact.payload["account_id"]), int(fact.payload["enrolment_id"])
    with hub.transaction() as session:
        own = programs.list_enrolments(session, account_id=account_id)
    enrolment = next((one for one in own if one.id == enrolment_id), None)
    if enrolment is None or enrolment.status not in ("REQUESTED", "ACTIVE") or _old(hub, fact):
        return
    _tell(
        hub,
        account_id=account_id,
        kind="notice.program_requested" if enrolment.status == "REQUESTED" else "notice.program_enrolled",
        data={"program": enrolment.program.name_key},
        purpose="SERVICE",
        key=f"enrolment:{enrolment.id}:{enrolment.status}",
        channels=_IN_WRITING,
    )


def notify_arrangement(hub: Hub, fact: outbox.Fact) -> None:
    """This will confirm a payment plan in writing, date by date. For ``arrangement.opened``."""
    payload = fact.payload
    if _old(hub, fact):
        return
    _tell(
        hub,
        account_id=int(payload["account_id"]),
        kind="notice.arrangement_opened",
        data={"amount": payload["amount"], "instalments": payload["instalments"]},
        purpose="SERVICE",
        key=f"arrangement:{payload['arrangement_id']}",
        channels=_FOR_SURE,
    )


def retell(hub: Hub, fact: outbox.Fact) -> None:
    """This will try another channel, once, for a notice that the vendor could not deliver. For ``message.status``."""
    if fact.payload.get("status") not in delivery.NOT_ARRIVED or _old(hub, fact):
        return
    with hub.transaction() as session:
        sending.notify_elsewhere(
            session, message_id=int(fact.payload["message_id"]), now=hub.now(), house=house(hub.settings)
        )


def _tell(
    hub: Hub,
    *,
    account_id: int,
    kind: str,
    data: Mapping[str, Any],
    purpose: str,
    key: str,
    channels: Sequence[str] | None = None,
) -> None:
    words: wording.House = house(hub.settings)
    with hub.transaction() as session:
        sending.notify_customer(
            session,
            customer_id=accounts.get_account(session, account_id=account_id).customer_id,
            kind=kind,
            data=data,
            purpose=purpose,
            key=key,
            now=hub.now(),
            house=words,
            channels=channels,
        )


def _tell_many(
    hub: Hub,
    fact: outbox.Fact,
    service_point_ids: Sequence[int],
    *,
    kind: str,
    data: Mapping[str, Any],
    key: str,
    again: Mapping[str, Any],
) -> None:
    """Everybody who takes service at these points; when they are many, in buckets, each a delivery of its own."""
    bucket = fact.payload.get("bucket")
    on = periods.civil_day(hub.now(), hub.settings.utility_timezone)
    with hub.transaction() as session:
        here = accounts.list_customers_at(session, service_point_ids=service_point_ids, on=on)
        told = sorted({resident.customer_id for resident in here})
        if bucket is None and len(told) > AT_ONCE:
            name = "outage.notice_due" if "outage_id" in again else "outage.planned_notice_due"
            for number in range(BUCKETS):
                outbox.record_fact(
                    session, name, key=f"{key}:{number}", payload={**again, "bucket": number}, now=hub.now()
                )
            return
    if bucket is not None:
        told = [customer_id for customer_id in told if customer_id % BUCKETS == int(bucket)]
    for start in range(0, len(told), _CHUNK):
        with hub.transaction() as session:
            for customer_id in told[start : start + _CHUNK]:
                sending.notify_customer(
                    session,
                    customer_id=customer_id,
                    kind=kind,
                    data=data,
                    purpose="OUTAGE",
                    key=f"{key}:{customer_id}",
                    now=hub.now(),
                    house=house(hub.settings),
                )


def _of_visit(news: str, ahead: timedelta) -> tuple[str, ...]:
    if news == "reminder" or (news == "cancelled" and ahead < _SOON):
        return _AT_HAND
    return _FOR_SURE if news == "cancelled" else _IN_WRITING


def _customer_of(session: Session, customer_id: int | None, account_id: int | None) -> int | None:
    if customer_id is not None or account_id is None:
        return customer_id
    return accounts.get_account(session, account_id=account_id).customer_id


def _old(hub: Hub, fact: outbox.Fact) -> bool:
    """What happened days ago (history being loaded, a queue that stood still) is no news."""
    return hub.now() - fact.recorded_at > _NEWS_FOR


def _outage_news(outage: outages.Outage, stage: str) -> tuple[str, dict[str, Any], str]:
    """What there is to say, and a mark that is the same as long as there is nothing new to say."""
    if stage == "restored":
        return "notice.outage_restored", {"area": outage.area, "at": outage.restored_at or outage.updated_at}, stage
    back_at = outage.estimated_restoration_at
    crew = outage.status == "CREW_ASSIGNED"
    data = {"area": outage.area, "back_at": back_at, "crew": crew}
    # a quarter of an hour more or less is no news
    rounded = int(back_at.timestamp() // 900) if back_at else "-"
    return f"notice.outage_{stage}", data, f"news:{rounded}:{int(crew)}"
