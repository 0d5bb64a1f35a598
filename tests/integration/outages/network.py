"""A small network with people on it: what the tests of outages, fieldwork, programs and reports stand on."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from core.accounts import operations as accounts
from core.outages import operations as outages

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
OPENED = date(2020, 1, 1)


@dataclass(frozen=True)
class Network:
    """`points[t]` are the service points of the t-th transformer; `accounts[t]` who takes service there."""

    feeder_id: int
    transformers: tuple[int, ...]
    points: tuple[tuple[int, ...], ...]
    accounts: tuple[tuple[int, ...], ...]


def add_account(
    session: Session, *, kind: str = "RESIDENTIAL", medical: bool = False, jurisdiction: str = "US-PA"
) -> int:
    customer = accounts.create_customer(
        session,
        full_name="Test Person",
        kind=kind,
        locale="en",
        opened_on=OPENED,
        now=NOW,
        medical_equipment=medical,
    )
    account = accounts.open_account(
        session,
        customer_id=customer.id,
        jurisdiction=jurisdiction,
        bill_cycle_day=5,
        mailing_address="1 Test Way",
        opened_on=OPENED,
        now=NOW,
    )
    return account.id


def build(
    session: Session,
    *,
    transformers: int = 4,
    homes: int = 3,
    postcode: str = "19001",
    code: str = "F1",
    jurisdiction: str = "US-PA",
) -> Network:
    feeder_id = outages.add_feeder(session, code=code, name=f"Feeder {code}", substation="Mill", postcodes=[postcode])
    ids, points, owners = [], [], []
    for t in range(transformers):
        ids.append(
            outages.add_transformer(
                session, feeder_id=feeder_id, code=f"{code}-T{t}", lat=Decimal("40.1"), lon=Decimal("-75.1")
            )
        )
        here, who = [], []
        for h in range(homes):
            premise = accounts.add_premise(
                session,
                address=f"{h + 1} {code} Street {t}",
                city="Brightwater",
                postcode=postcode,
                county="Bucks",
                timezone="America/New_York",
            )
            here.append(accounts.add_service_point(session, premise_id=premise, transformer_id=ids[-1]))
            who.append(add_account(session, jurisdiction=jurisdiction))
            accounts.open_agreement(session, account_id=who[-1], service_point_id=here[-1], starts_on=OPENED, now=NOW)
        points.append(tuple(here))
        owners.append(tuple(who))
    return Network(feeder_id, tuple(ids), tuple(points), tuple(owners))
