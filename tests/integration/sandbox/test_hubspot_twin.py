import json
from typing import Any

import hubspot
import pytest
import requests
from hubspot.crm.contacts import (
    BatchInputSimplePublicObjectBatchInputUpsert,
    PublicObjectSearchRequest,
    SimplePublicObjectBatchInputUpsert,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.contacts.exceptions import ApiException
from hubspot.crm.properties import PropertyCreate
from hubspot.utils.signature import Signature
from urllib3.util.retry import Retry


@pytest.fixture
def client(town: Any) -> Any:
    client = hubspot.Client.create(
        access_token=town.config.hubspot_access_token, host=f"{town.url}/hubspot", retry=Retry(total=0)
    )
    for kind, name, unique in (("contacts", "hub_customer_id", True), ("tickets", "hub_agent_reply", False)):
        client.crm.properties.core_api.create(
            kind,
            PropertyCreate(name=name, label=name, type="string", field_type="text", group_name="contactinformation",
                           has_unique_value=unique),
        )  # fmt: skip
    return client


def _contact(client: Any, **properties: str) -> Any:
    return client.crm.contacts.basic_api.create(SimplePublicObjectInputForCreate(properties=properties))


def _upsert(client: Any, by: str, *rows: tuple[str, dict[str, str]]) -> Any:
    inputs = [SimplePublicObjectBatchInputUpsert(id=key, id_property=by, properties=values) for key, values in rows]
    batch = BatchInputSimplePublicObjectBatchInputUpsert(inputs=inputs)
    return client.crm.contacts.batch_api.upsert(batch)


def _ticket(client: Any, town: Any, contact: str) -> str:
    pipeline = client.crm.pipelines.pipelines_api.get_all("tickets").results[0]
    stage = next(item.id for item in pipeline.stages if item.label == "Waiting for agent")
    body = {
        "properties": {"subject": "Help", "hs_pipeline_stage": stage},
        "associations": [{"to": {"id": contact}, "types": [
            {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 16}]}],
    }  # fmt: skip
    return str(client.crm.tickets.basic_api.create(body).id)


def test_unique_values_and_unknown_properties_are_refused(client: Any) -> None:
    first = _contact(client, email="Maya.Chen@example.com", hub_customer_id="C1")
    with pytest.raises(ApiException) as twin:
        _contact(client, email="maya.chen@example.com")
    assert twin.value.status == 409 and f"Existing ID: {first.id}" in json.loads(twin.value.body)["message"]
    with pytest.raises(ApiException) as unknown:
        _contact(client, no_such="x")
    assert unknown.value.status == 400 and "PROPERTY_DOESNT_EXIST" in unknown.value.body


def test_upsert_by_our_own_key_is_partial_and_by_email_is_all_or_nothing(client: Any) -> None:
    done = _upsert(client, "hub_customer_id", ("C1", {"firstname": "Maya"}), ("C2", {"firstname": "Luis"}))
    assert [item.new for item in done.results] == [True, True]
    again = _upsert(client, "hub_customer_id", ("C1", {"lastname": "Chen"}), ("C3", {"no_such": "x"}))
    assert [item.id for item in again.results] == [done.results[0].id] and len(again.errors) == 1
    with pytest.raises(ApiException):
        _upsert(client, "email", ("a@example.com", {"firstname": "A"}), ("b@example.com", {"no_such": "x"}))
    assert client.crm.contacts.basic_api.get_page().results[-1].properties.get("firstname") != "A"
    with pytest.raises(ApiException):
        _upsert(client, "phone", ("+15550101001", {}))


def test_search_lags_behind(town: Any, client: Any) -> None:
    _contact(client, email="maya.chen@example.com")
    query = PublicObjectSearchRequest(
        filter_groups=[{"filters": [{"propertyName": "email", "operator": "EQ", "value": "maya.chen@example.com"}]}]
    )
    assert client.crm.contacts.search_api.do_search(query).total == 0
    town.world.switches.set({"hubspot": {"search_lag_seconds": 0}})
    assert client.crm.contacts.search_api.do_search(query).total == 1


def test_too_many_requests_and_too_many_searches(town: Any, client: Any) -> None:
    query = PublicObjectSearchRequest(filter_groups=[])
    with pytest.raises(ApiException) as fast:
        for _ in range(7):
            client.crm.contacts.search_api.do_search(query)
    assert (fast.value.status, json.loads(fast.value.body)["policyName"]) == (429, "SECONDLY")
    town.world.switches.set({"hubspot": {"limit_per_10s": 1}})
    with pytest.raises(ApiException) as many:
        client.crm.contacts.basic_api.get_page()
    assert json.loads(many.value.body)["policyName"] == "TEN_SECONDLY_ROLLING"
    town.world.switches.set({"hubspot": {"limit_per_10s": 1000, "daily_limit": 1}})
    with pytest.raises(ApiException) as day:
        client.crm.contacts.basic_api.get_page()
    assert json.loads(day.value.body)["policyName"] == "DAILY"


def test_a_merge_gives_a_new_id_and_the_old_ones_lead_there(client: Any) -> None:
    one, two = _contact(client, email="a@example.com"), _contact(client, email="b@example.com")
    merged = client.crm.contacts.basic_api.merge({"primaryObjectId": one.id, "objectIdToMerge": two.id})
    assert merged.id not in (one.id, two.id)
    assert client.crm.contacts.basic_api.get_by_id(two.id).id == merged.id
    with pytest.raises(ApiException) as second:
        _contact(client, email="b@example.com")  # the other address is still somebody's
    assert second.value.status == 409


def test_an_agents_answer_reaches_the_hub_signed_and_again_when_refused(town: Any, client: Any) -> None:
    contact = _contact(client, email="dana.price@example.com", phone="+15550101011")
    ticket = _ticket(client, town, contact.id)
    town.hub.refuse["/hooks/hubspot"] = [401]

    def replies() -> list[dict[str, Any]]:
        posted = [item for item in town.hub.posted if item.path == "/hooks/hubspot"]
        return [
            event
            for item in posted
            for event in json.loads(item.body)
            if event.get("propertyName") == "hub_agent_reply"
        ]

    requests.post(f"{town.url}/api/crm/tickets/{ticket}/reply", json={"text": "I am Alex.", "agent": "Alex"}, timeout=5)
    town.hub.wait("/hooks/hubspot", match=lambda item: b"I am Alex." in item.body)
    town.hub.wait("/hooks/hubspot", match=lambda item: any(one["attemptNumber"] == 1 for one in json.loads(item.body)))
    posted = town.hub.wait("/hooks/hubspot", 2)
    for item in posted:
        stamp = item.headers.get("X-HubSpot-Request-Timestamp") or item.headers["X-Hubspot-Request-Timestamp"]
        signature = item.headers.get("X-HubSpot-Signature-v3") or item.headers["X-Hubspot-Signature-V3"]
        assert Signature.is_valid(
            signature=signature, client_secret=town.config.hubspot_client_secret, request_body=item.body.decode(),
            http_uri=item.url, http_method="POST", signature_version="v3", timestamp=stamp,
        )  # fmt: skip
    assert {(event["propertyValue"], event["changeSource"]) for event in replies()} == {("I am Alex.", "CRM_UI")}
    shown = requests.get(f"{town.url}/api/crm/tickets/{ticket}", timeout=5).json()
    assert (shown["stage_label"], shown["owner"]) == ("With agent", "Alex Rivera")
    requests.post(f"{town.url}/api/crm/tickets/{ticket}/close", timeout=5)
    assert requests.get(f"{town.url}/api/crm/tickets/{ticket}", timeout=5).json()["closed"]


def test_activities_are_associated_and_make_the_timeline(town: Any, client: Any) -> None:
    contact = _contact(client, email="dana.price@example.com")
    note = client.crm.objects.notes.basic_api.create(
        {"properties": {"hs_note_body": "Summary", "hs_timestamp": "1790000000000"}}
    )
    client.crm.associations.v4.basic_api.create_default("notes", note.id, "contacts", contact.id)
    links = client.crm.associations.v4.basic_api.get_page("contacts", contact.id, "notes").results
    assert [str(link.to_object_id) for link in links] == [note.id]
    line = requests.get(f"{town.url}/api/crm/timeline", params={"customer": "dana"}, timeout=5).json()["timeline"]
    assert [item["body"] for item in line] == ["Summary"]
    with pytest.raises(Exception, match="allowed options"):
        client.crm.objects.communications.basic_api.create(
            {"properties": {"hs_communication_channel_type": "WEB_CHAT", "hs_timestamp": "1790000000000"}}
        )
    client.crm.contacts.basic_api.update(contact.id, SimplePublicObjectInput(properties={"firstname": "Dana"}))


def test_a_custom_channel_message_is_published_once(town: Any) -> None:
    headers = {"Authorization": f"Bearer {town.config.hubspot_access_token}"}
    url = f"{town.url}/hubspot/conversations/v3/custom-channels/{town.config.hubspot_channel_id}/messages"
    body = {
        "channelAccountId": "9", "integrationThreadId": "tok-1", "integrationIdempotencyId": "m1", "text": "Hi",
        "messageDirection": "INCOMING",
        "senders": [{"deliveryIdentifier": {"type": "HS_EMAIL_ADDRESS", "value": "a@b.c"}}],
    }  # fmt: skip
    first = requests.post(url, json=body, headers=headers, timeout=5)
    again = requests.post(url, json=body, headers=headers, timeout=5)
    assert first.status_code == 201 and first.json()["id"] == again.json()["id"]
    from ops_admin.sandbox import hubspot_inbox

    hubspot_inbox.answer(town.world, first.json()["conversationsThreadId"], "Hello back")
    (posted,) = town.hub.wait("/hooks/hubspot", match=lambda item: b"OUTGOING_CHANNEL_MESSAGE_CREATED" in item.body)
    event = json.loads(posted.body)
    assert (event["channelIntegrationThreadIds"], event["message"]["text"]) == (["tok-1"], "Hello back")
