"""The CRM port over the official SDK, against a server that speaks HubSpot's HTTP and keeps its rules."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import hubspot
import pytest
from urllib3.util.retry import Retry

from core import errors, http, ports
from core.settings import Settings
from crm_sync import hubspot as adapter
from tests.integration.sandbox.conftest import Town, running, town

__all__ = ["running", "town"]  # the sandbox on a real port

AT = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
MAYA = ports.CrmContact(
    "C-1", {"firstname": "Maya", "lastname": "Chen", "phone": "+15550101001", "email": "maya.chen@example.com"}
)


def settings(town: Town, **changes: Any) -> Settings:
    return Settings(
        hubspot_api_base=f"{town.url}/hubspot", hubspot_access_token=town.config.hubspot_access_token, **changes
    )


@pytest.fixture(autouse=True)
def _plenty(town: Town) -> None:
    town.world.switches.set({"hubspot": {"limit_per_10s": 100_000}})


@pytest.fixture
def crm(town: Town) -> adapter.HubSpot:
    return adapter.HubSpot(settings(town), take=lambda: None)


@pytest.fixture
def sdk(town: Town) -> Iterator[Any]:
    yield hubspot.Client.create(
        access_token=town.config.hubspot_access_token, host=f"{town.url}/hubspot", retry=Retry(total=0)
    )


def everything(sdk: Any, kind: str) -> list[Any]:
    wanted = ["hub_key", "hub_customer_id", "email", "firstname", "hub_agent_reply", "hs_note_body", "subject"]
    return list(sdk.crm.objects.basic_api.get_page(kind, properties=wanted).results)


def linked(sdk: Any, kind: str, key: str, other: str) -> list[str]:
    page = sdk.crm.associations.v4.basic_api.get_page(kind, key, other)
    return [str(link.to_object_id) for link in page.results]


def ticket(key: str = "handoff-1", **properties: str) -> ports.CrmTicket:
    return ports.CrmTicket(key, {"subject": "Maya · SMS", "stage": "Waiting for agent", **properties}, None)


def test_a_contact_is_one_however_often_it_is_told(crm: adapter.HubSpot, sdk: Any, town: Town) -> None:
    first = crm.upsert_contacts([MAYA])
    again = adapter.HubSpot(settings(town), take=lambda: None).upsert_contacts(
        [ports.CrmContact("C-1", {"firstname": "Maia"})]
    )
    assert first == again and len(everything(sdk, "contacts")) == 1
    kept = sdk.crm.contacts.basic_api.get_by_id(first["C-1"], properties=["firstname", "lastname"]).properties
    assert (kept["firstname"], kept["lastname"]) == ("Maia", "Chen")  # what was not named stays as it was


def test_an_address_that_is_taken(crm: adapter.HubSpot, sdk: Any) -> None:
    visitor = ports.CrmContact("visitor-1", {"firstname": "Unknown", "email": "maya.chen@example.com"})
    met = crm.upsert_contacts([visitor])["visitor-1"]
    assert crm.upsert_contacts([MAYA])["C-1"] == met, "the visitor turned out to be a customer"
    partner = ports.CrmContact("C-2", {"firstname": "Leo", "email": "maya.chen@example.com"})
    others = crm.upsert_contacts([MAYA, partner])
    assert others["C-1"] == met != others["C-2"], "two customers may share an address; HubSpot's contacts may not"
    mails = {c.properties["hub_customer_id"]: c.properties.get("email") for c in everything(sdk, "contacts")}
    assert mails == {"C-1": "maya.chen@example.com", "C-2": None}


def test_ticket_note_and_associations(crm: adapter.HubSpot, sdk: Any) -> None:
    contact = crm.upsert_contacts([MAYA])["C-1"]
    first = crm.upsert_ticket(
        ports.CrmTicket("handoff-1", {"subject": "Help", "content": "…", "stage": "Waiting for agent"}, contact), None
    )
    note = crm.add_note(first, "Reason: CUSTOMER_ASKED", AT, "handoff-1-summary")
    assert crm.add_note(first, "Reason: CUSTOMER_ASKED", AT, "handoff-1-summary") == note
    assert linked(sdk, "tickets", first, "contacts") == [contact] and linked(sdk, "tickets", first, "notes") == [note]
    assert crm.upsert_ticket(ports.CrmTicket("handoff-1", {"stage": "Returned to assistant"}, None), first) == first
    (only,) = everything(sdk, "tickets")
    stage = sdk.crm.tickets.basic_api.get_by_id(only.id).properties["hs_pipeline_stage"]
    assert only.properties["subject"] == "Help" and crm.event_of_stage(stage) == "closed"


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("communication", {"hs_communication_channel_type": "SMS", "hs_communication_logged_from": "CRM"}),
        ("communication", {"hs_communication_channel_type": "WHATS_APP", "hs_communication_logged_from": "CRM"}),
        ("note", {}),
        ("email", {"hs_email_direction": "INCOMING_EMAIL", "hs_email_subject": "Bill", "hs_email_status": "SENT"}),
        ("call", {"hs_call_direction": "INBOUND", "hs_call_status": "COMPLETED", "hs_call_duration": "61000"}),
    ],
)
@pytest.mark.parametrize("unique", [True, False])
def test_an_activity_of_every_channel_grows_and_stays_one(
    crm: adapter.HubSpot, sdk: Any, town: Town, kind: str, properties: dict[str, str], unique: bool
) -> None:
    from hubspot.crm.properties import PropertyCreate

    plural = {"communication": "communications", "note": "notes", "email": "emails", "call": "calls"}[kind]
    for number in range(0 if unique else 10):  # a portal that takes no further unique property on this kind
        sdk.crm.properties.core_api.create(
            plural,
            PropertyCreate(name=f"u{number}", label="u", type="string", field_type="text", group_name="x",
                           has_unique_value=True),
        )  # fmt: skip
    contact = crm.upsert_contacts([MAYA])["C-1"]
    told = {"hs_timestamp": "2026-11-23T15:00:00.000Z", "body": "15:00 Customer: hello", **properties}
    first = crm.upsert_activity(ports.CrmActivity("interaction-1", kind, told, contact, None), None)
    desk = crm.upsert_ticket(ticket(), None)
    grown = ports.CrmActivity("interaction-1", kind, {**told, "body": "15:00 … 15:01 …"}, None, desk)
    restarted = adapter.HubSpot(settings(town), take=lambda: None)  # what a portal allows is asked anew
    assert restarted.upsert_activity(grown, first) == first
    lost = ports.CrmActivity("interaction-1", kind, told, contact, None)
    assert restarted.upsert_activity(lost, None) == first, "a retry that does not know the first try's outcome"
    (only,) = everything(sdk, plural)
    assert linked(sdk, plural, only.id, "contacts") == [contact] and linked(sdk, plural, only.id, "tickets") == [desk]


def test_a_transcript_reads_in_the_crm_as_it_was_written(crm: adapter.HubSpot, sdk: Any) -> None:
    desk = crm.upsert_ticket(ticket(), None)
    crm.add_note(desk, 'Customer: <b>5 < 6 & so</b>\nAssistant: "yes"', AT, "n-1")
    (note,) = everything(sdk, "notes")
    assert note.properties["hs_note_body"] == 'Customer: &lt;b&gt;5 &lt; 6 &amp; so&lt;/b&gt;<br>Assistant: "yes"'
    for long in ("<" * 70_000, "a\n" * 40_000, "x" * 65_001):
        assert 60_000 < len(adapter.rich(long)) <= 65_001


def test_too_many_requests_say_when_to_come_again(crm: adapter.HubSpot, town: Town) -> None:
    crm.upsert_contacts([MAYA])
    town.world.switches.set({"hubspot": {"rate_limited": True}})
    with pytest.raises(errors.ProviderError) as rolling:
        crm.upsert_contacts([MAYA])
    assert (rolling.value.code, rolling.value.retryable, rolling.value.retry_after) == ("crm.too_many", True, 10.0)
    town.world.switches.set({"hubspot": {"rate_limited": False, "daily_limit": 0}})
    with pytest.raises(errors.ProviderError) as daily:
        crm.upsert_contacts([MAYA])
    assert daily.value.retryable and daily.value.retry_after == 3600.0


@pytest.mark.parametrize("how", ["503", "reset"])
def test_a_vendor_that_is_down(crm: adapter.HubSpot, town: Town, how: str) -> None:
    town.world.switches.set({"hubspot": {"down": how}})
    for _ in range(2):
        with pytest.raises(errors.ProviderError) as down:
            crm.upsert_contacts([MAYA])
        assert down.value.retryable and down.value.code in ("crm.down", "crm.unreachable")
    town.world.switches.set({"hubspot": {"down": "off"}})
    assert crm.upsert_contacts([MAYA])  # and a failed start is begun again, not remembered


def test_what_can_never_be_right_is_not_tried_again(crm: adapter.HubSpot) -> None:
    with pytest.raises(errors.ProviderError) as refused:
        crm.upsert_contacts([ports.CrmContact("C-9", {"no_such_property": "x"})])
    assert refused.value.code == "crm.refused" and not refused.value.retryable


def test_an_answer_that_is_lost_doubles_nothing(crm: adapter.HubSpot, sdk: Any, town: Town) -> None:
    desk = crm.upsert_ticket(ticket("handoff-0"), None)
    town.world.switches.set({"hubspot": {"lost_answer": True}})
    activity = ports.CrmActivity(
        "interaction-1", "note", {"hs_timestamp": "2026-11-23T15:00:00.000Z", "body": "hi"}, None, None
    )
    writes = (
        lambda: crm.upsert_contacts([MAYA]),
        lambda: crm.upsert_ticket(ticket(), None),
        lambda: crm.upsert_activity(activity, None),
        lambda: crm.add_note(desk, "words", AT, "n-1"),
        lambda: crm.push_customer_message(desk, "talk", "hello", AT, "message-1"),
    )
    for write in writes:
        with pytest.raises(errors.ProviderError) as lost:
            write()
        assert lost.value.retryable
    town.world.switches.set({"hubspot": {"lost_answer": False}})
    for write in (*writes, *writes):
        write()
    assert [len(everything(sdk, kind)) for kind in ("contacts", "tickets", "notes")] == [1, 2, 3]


def test_a_slow_vendor_has_a_time_limit(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT", (0.3, 0.3))
    town.world.switches.set({"hubspot": {"slow_ms": 900}})
    with pytest.raises(errors.ProviderError) as slow:
        adapter.HubSpot(settings(town), take=lambda: None).upsert_contacts([MAYA])
    assert slow.value.code == "crm.unreachable" and slow.value.retryable


def test_a_reply_is_read_from_its_box_and_cleared_once_it_was_said(crm: adapter.HubSpot, sdk: Any, town: Town) -> None:
    from ops_admin.sandbox import crm_desk

    desk = crm.upsert_ticket(ticket(), None)
    assert crm.pull_staff_events([desk]) == [] and crm.staff_name(desk) is None
    crm_desk.reply(town.world, desk, "On my way", agent=1)
    reply, taken = crm.pull_staff_events([desk])
    assert (reply.kind, reply.text, taken.kind, taken.text) == ("reply", "On my way", "accepted", None)
    assert crm.staff_name(desk) == "Priya"
    crm_desk.reply(town.world, desk, "Ten minutes more", agent=1)
    crm.clear_reply(desk, "On my way")  # the box holds other words by now: they are not wiped away unheard
    assert [e.text for e in crm.pull_staff_events([desk]) if e.kind == "reply"] == ["Ten minutes more"]
    crm.clear_reply(desk, "Ten minutes more")
    assert [e.kind for e in crm.pull_staff_events([desk])] == ["accepted"]


def test_a_thread_of_a_custom_channel(town: Town, sdk: Any) -> None:
    crm = adapter.HubSpot(
        settings(town, hubspot_mode="custom_channel", hubspot_channel_id="8000", hubspot_channel_account_id="9000"),
        take=lambda: None,
    )
    contact = crm.upsert_contacts([MAYA])["C-1"]
    desk = crm.upsert_ticket(ticket(), None)
    thread = crm.push_customer_message(desk, "talk-1", "Hello?", AT, "message-1", contact_id=contact)
    assert thread and crm.push_customer_message(desk, "talk-1", "Hello?", AT, "message-1", contact) == thread
    assert [m["text"] for m in town.world.store.find("thread-message", "thread", thread)] == ["Hello?"]
    assert town.world.store.get("thread", thread)["associatedContactId"] == contact  # type: ignore[index]
    town.world.switches.set({"hubspot": {"rate_limited": True}})
    with pytest.raises(errors.ProviderError) as full:
        crm.push_customer_message(desk, "talk-1", "Still there?", AT, "message-2")
    assert full.value.retry_after == 10.0
