"""An outage is told to those it concerns, once per piece of news."""

from datetime import date, timedelta
from decimal import Decimal

from core import outbox
from core.accounts import operations as accounts
from core.conversations import notices
from core.outages import operations as outages
from core.outbox import Subscriber
from tests.integration.conversations.conftest import SUBSCRIPTIONS, World

NEWS = {
    f"outage.{stage}": (Subscriber(f"conversations.notify_outage_{stage}", notices.notify_outage),)
    for stage in ("opened", "updated", "restored", "notice_due")
}


def test_an_outage_from_opening_to_light(world: World, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    world.hub = world.hub.with_(subscriptions={**SUBSCRIPTIONS, **NEWS})
    now = world.hub.now()
    with world.hub.transaction() as session:
        feeder = outages.add_feeder(session, code="F1", name="North", substation="S1", postcodes=["19000"])
        transformer = outages.add_transformer(session, feeder_id=feeder, code="T1", lat=Decimal(40), lon=Decimal(-75))
        premise = accounts.add_premise(
            session,
            address="1 Elm St",
            city="Brightwater",
            postcode="19000",
            county="Delaware",
            timezone="America/New_York",
        )
        point = accounts.add_service_point(session, premise_id=premise, transformer_id=transformer)
        accounts.open_agreement(
            session, account_id=world.account.id, service_point_id=point, starts_on=date(2020, 1, 1), now=now
        )
        outage = outages.open_outage(
            session, feeder_id=feeder, transformer_id=transformer, cause="TREE", started_at=now, now=now
        )
    world.settle()
    assert world.kinds() == ["notice.outage_opened"]
    monkeypatch.setattr(notices, "AT_ONCE", 0)  # as if it were a large one: told in buckets
    for minutes, told in ((120, 2), (121, 2), (180, 3)):
        with world.hub.transaction() as session:
            outages.update_outage(
                session,
                outage_id=outage.id,
                estimated_restoration_at=now + timedelta(minutes=minutes),
                crew_status="ASSIGNED",
                now=world.hub.now(),
            )
        world.settle()
        assert len(world.sent()) == told, minutes
    world.hub.clock.move(hours=1)
    with world.hub.transaction() as session:
        outages.restore_outage(session, outage_id=outage.id, at=world.hub.now(), now=world.hub.now())
    world.settle()
    outbox.drain(world.hub)
    assert world.kinds()[-1] == "notice.outage_restored" and len(world.sent()) == 4
