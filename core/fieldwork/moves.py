"""Moving in, out, and house: a dated request, and the change of the service agreement where the place is known."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from core import errors, periods
from core.accounts import operations as accounts_operations
from core.accounts import queries as accounts
from core.fieldwork import operations, queries
from core.periods import Days


@dataclass(frozen=True)
class ServiceChange:
    """`settled`: the agreement has been changed; otherwise a person looks at the address first."""

    request_number: str
    request_id: int
    on: date
    settled: bool
    agreement_id: int | None


def start_service(
    session: Session,
    *,
    account_id: int,
    address: str,
    starts_on: date,
    key: str,
    now: datetime,
    service_point_id: int | None = None,
) -> ServiceChange:
    """This will ask for service at an address from a day on; the same key gives the first result.

    When the address is one we know and nobody is served there on that day, the agreement starts at once.
    """
    account = accounts.get_account(session, account_id=account_id)
    _not_past(session, account_id, starts_on, now)
    agreement_id = _begin(session, account_id, address, starts_on, now, service_point_id)
    return _open(
        session,
        account,
        "START_SERVICE",
        {"address": address, "on": starts_on.isoformat()},
        key,
        now,
        starts_on,
        agreement_id,
    )


def stop_service(
    session: Session,
    *,
    account_id: int,
    ends_on: date,
    key: str,
    now: datetime,
    service_point_id: int | None = None,
) -> ServiceChange:
    """This will end an account's service on a day (the first without): all of it, or that at one point."""
    account = accounts.get_account(session, account_id=account_id)
    _not_past(session, account_id, ends_on, now)
    ended = _end(session, account_id, ends_on, now, service_point_id)
    if not ended:
        raise errors.Refused("service.nothing_to_stop")
    return _open(session, account, "STOP_SERVICE", {"on": ends_on.isoformat()}, key, now, ends_on, ended[0])


def move_service(
    session: Session, *, account_id: int, address: str, moves_on: date, key: str, now: datetime
) -> ServiceChange:
    """This will end service where it is and start it at another address, on one day."""
    account = accounts.get_account(session, account_id=account_id)
    _not_past(session, account_id, moves_on, now)
    begun = _begin(session, account_id, address, moves_on, now, None)
    _end(session, account_id, moves_on, now, None, but=begun)
    return _open(session, account, "MOVE", {"address": address, "on": moves_on.isoformat()}, key, now, moves_on, begun)


def _begin(
    session: Session, account_id: int, address: str, on: date, now: datetime, service_point_id: int | None
) -> int | None:
    if service_point_id is not None:
        point: accounts.ServicePoint | None = accounts.get_service_point(
            session, service_point_id=service_point_id, on=on
        )
    else:
        point = accounts.find_service_point_at(session, address=address, on=on)
    if point is None or point.account_id not in (None, account_id):
        return None
    if point.account_id == account_id:
        return point.agreement_id
    try:
        return accounts_operations.open_agreement(
            session, account_id=account_id, service_point_id=point.id, starts_on=on, now=now
        ).id
    except errors.Refused:
        return None  # somebody follows later: a person has to arrange the days


def _end(
    session: Session,
    account_id: int,
    on: date,
    now: datetime,
    service_point_id: int | None,
    but: int | None = None,
) -> list[int]:
    far = periods.add_months(on, 1200)
    ended = []
    for agreement in accounts.list_agreements(session, period=Days(on, far), account_ids=[account_id]):
        wanted = service_point_id in (None, agreement.service_point_id)
        if wanted and agreement.id != but and agreement.starts_on < on:
            accounts_operations.end_agreement(session, agreement_id=agreement.id, ends_on=on, now=now)
            ended.append(agreement.id)
    if not ended:  # the same wish again: what ends on that very day already
        before = Days(on.replace(day=1), on) if on.day > 1 else Days(periods.add_months(on, -1), on)
        ended = [
            a.id
            for a in accounts.list_agreements(session, period=before, account_ids=[account_id])
            if a.ends_on == on and service_point_id in (None, a.service_point_id)
        ]
    return ended


def _not_past(session: Session, account_id: int, on: date, now: datetime) -> None:
    points = accounts.list_service_points(session, account_id=account_id, on=now.date())
    today = periods.civil_day(now, points[0].timezone) if points else now.date()
    if on < today:
        raise errors.Invalid("service.starts_in_past")


def _open(
    session: Session,
    account: accounts.Account,
    kind: str,
    data: dict[str, str],
    key: str,
    now: datetime,
    on: date,
    agreement_id: int | None,
) -> ServiceChange:
    request: queries.ServiceRequest = operations.open_request(
        session,
        kind=kind,
        account_id=account.id,
        customer_id=account.customer_id,
        description=" ".join(data.values()),
        data={**data, "settled": agreement_id is not None},
        key=key,
        now=now,
    )
    return ServiceChange(request.number, request.id, on, agreement_id is not None, agreement_id)
