"""What a HubSpot portal has from the start: object types, properties, the ticket pipeline, associations, people."""

from typing import Any

TYPES: dict[str, str] = {
    "contacts": "0-1", "companies": "0-2", "deals": "0-3", "tickets": "0-5", "notes": "0-46", "calls": "0-48",
    "emails": "0-49", "tasks": "0-27", "communications": "0-18",
}  # fmt: skip
ACTIVITIES = ("notes", "calls", "emails", "tasks", "communications")

_STANDARD = "hs_object_id hs_createdate hs_lastmodifieddate hubspot_owner_id hs_object_source_label"
_PROPERTIES: dict[str, str] = {
    "contacts": "email firstname lastname phone mobilephone company website address city state zip country jobtitle "
    "lifecyclestage hs_lead_status createdate lastmodifieddate hs_language hs_additional_emails date_of_birth "
    "hs_whatsapp_phone_number preferred_channels hs_email_optout",
    "companies": "name domain phone city industry createdate",
    "deals": "dealname amount dealstage pipeline closedate createdate",
    "tickets": "subject content hs_pipeline hs_pipeline_stage hs_ticket_priority hs_ticket_category source_type "
    "createdate closed_date hs_resolution hs_custom_inbox",
    "notes": "hs_note_body hs_timestamp hs_attachment_ids",
    "calls": "hs_call_title hs_call_body hs_call_direction hs_call_duration hs_call_status hs_call_from_number "
    "hs_call_to_number hs_call_recording_url hs_call_disposition hs_timestamp hs_attachment_ids hs_call_source",
    "emails": "hs_email_subject hs_email_text hs_email_html hs_email_direction hs_email_status hs_email_headers "
    "hs_email_from_email hs_email_to_email hs_email_sender_email hs_timestamp hs_attachment_ids "
    "hs_email_message_id hs_email_thread_id",
    "tasks": "hs_task_subject hs_task_body hs_task_status hs_task_priority hs_task_type hs_timestamp "
    "hs_task_reminders",
    "communications": "hs_communication_channel_type hs_communication_logged_from hs_communication_body "
    "hs_timestamp hs_attachment_ids",
}  # fmt: skip
REQUIRED: dict[str, tuple[str, ...]] = {
    "tickets": ("hs_pipeline_stage",),
    "communications": ("hs_communication_channel_type", "hs_timestamp"),
    **dict.fromkeys(("notes", "calls", "emails", "tasks"), ("hs_timestamp",)),
}
OPTIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("communications", "hs_communication_channel_type"): ("SMS", "WHATS_APP", "LINKEDIN_MESSAGE"),
    ("communications", "hs_communication_logged_from"): ("CRM",),
    ("calls", "hs_call_direction"): ("INBOUND", "OUTBOUND"),
    ("calls", "hs_call_status"): (
        "BUSY", "CALLING_CRM_USER", "CANCELED", "COMPLETED", "CONNECTING", "FAILED", "IN_PROGRESS", "NO_ANSWER",
        "QUEUED", "RINGING", "MISSED", "HOLD",
    ),
    ("emails", "hs_email_direction"): ("EMAIL", "INCOMING_EMAIL", "FORWARDED_EMAIL", "DRAFT_EMAIL"),
    ("emails", "hs_email_status"): ("BOUNCED", "FAILED", "SCHEDULED", "SENDING", "SENT"),
    ("tickets", "hs_ticket_priority"): ("LOW", "MEDIUM", "HIGH", "URGENT"),
    ("tickets", "hs_ticket_category"): ("PRODUCT_ISSUE", "BILLING_ISSUE", "FEATURE_REQUEST", "GENERAL_INQUIRY"),
    ("tickets", "source_type"): ("CHAT", "EMAIL", "FORM", "PHONE"),
    ("tasks", "hs_task_status"): ("NOT_STARTED", "IN_PROGRESS", "WAITING", "COMPLETED", "DEFERRED"),
}  # fmt: skip
_DATES = frozenset({"hs_timestamp", "createdate", "lastmodifieddate", "hs_createdate", "hs_lastmodifieddate"})

PIPELINE = "0"
STAGES: tuple[tuple[str, str, bool], ...] = (  # (id, label, closed); ids differ from portal to portal
    ("1", "New", False),
    ("187302561", "Waiting for agent", False),
    ("187302562", "With agent", False),
    ("187302563", "Waiting on customer", False),
    ("187302564", "Returned to assistant", True),
    ("4", "Closed", True),
)
OWNERS: tuple[tuple[str, str, str, str], ...] = (
    ("551001", "Alex", "Rivera", "alex.rivera@brightwater.example"),
    ("551002", "Priya", "Nair", "priya.nair@brightwater.example"),
)
ASSOCIATIONS: dict[tuple[str, str], int] = {
    ("contacts", "tickets"): 15, ("tickets", "contacts"): 16,
    ("calls", "contacts"): 194, ("contacts", "calls"): 193, ("emails", "contacts"): 198,
    ("contacts", "emails"): 197, ("notes", "contacts"): 202, ("contacts", "notes"): 201,
    ("tasks", "contacts"): 204, ("contacts", "tasks"): 203, ("calls", "tickets"): 220, ("tickets", "calls"): 219,
    ("emails", "tickets"): 224, ("tickets", "emails"): 223, ("notes", "tickets"): 228, ("tickets", "notes"): 227,
    ("tasks", "tickets"): 230, ("tickets", "tasks"): 229, ("communications", "contacts"): 81,
    ("contacts", "communications"): 82, ("communications", "tickets"): 84, ("tickets", "communications"): 83,
    ("contacts", "companies"): 279, ("companies", "contacts"): 280, ("tickets", "companies"): 339,
    ("companies", "tickets"): 340, ("contacts", "contacts"): 449, ("tickets", "tickets"): 452,
}  # fmt: skip


def type_name(given: str) -> str | None:
    """This will give the plural name of an object type, by name, singular, or number."""
    for name, number in TYPES.items():
        if given.lower() in (name, number, name.removesuffix("s"), name.removesuffix("ies") + "y"):
            return name
    return None


def built_in(kind: str) -> dict[str, dict[str, Any]]:
    """This will give the properties a type has from the start."""
    return {name: _property(kind, name) for name in f"{_PROPERTIES[kind]} {_STANDARD}".split()}


def stage_label(stage: str | None) -> str:
    return next((label for key, label, _ in STAGES if key == stage), str(stage or ""))


def stage_id(label: str) -> str:
    return next(key for key, name, _ in STAGES if name == label)


def pipeline() -> dict[str, Any]:
    """This will give the ticket pipeline as the API shows it."""
    made = "2026-01-05T09:00:00.000Z"
    return {
        "id": PIPELINE,
        "label": "Support Pipeline",
        "displayOrder": 0,
        "archived": False,
        "createdAt": made,
        "updatedAt": made,
        "stages": [
            {
                "id": key,
                "label": label,
                "displayOrder": place,
                "archived": False,
                "createdAt": made,
                "updatedAt": made,
                "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
                "metadata": {"ticketState": "CLOSED" if closed else "OPEN", "isClosed": str(closed).lower()},
            }
            for place, (key, label, closed) in enumerate(STAGES)
        ],
    }


def owners() -> list[dict[str, Any]]:
    """This will give the portal's people as the API shows them."""
    made = "2026-01-05T09:00:00.000Z"
    return [
        {"id": key, "email": email, "firstName": first, "lastName": last, "userId": int(key) + 9,
         "userIdIncludingInactive": int(key) + 9, "type": "PERSON", "createdAt": made, "updatedAt": made,
         "archived": False, "teams": []}
        for key, first, last, email in OWNERS
    ]  # fmt: skip


def _property(kind: str, name: str) -> dict[str, Any]:
    options = OPTIONS.get((kind, name), ())
    sort = "enumeration" if options else "datetime" if name in _DATES else "string"
    return {
        "name": name,
        "label": name.replace("hs_", "").replace("_", " ").capitalize(),
        "type": sort,
        "fieldType": {"enumeration": "select", "datetime": "date"}.get(sort, "text"),
        "groupName": f"{kind.removesuffix('s')}information",
        "description": "",
        "options": [
            {"label": value, "value": value, "displayOrder": place, "hidden": False}
            for place, value in enumerate(options)
        ],
        "hasUniqueValue": kind == "contacts" and name == "email",
        "hidden": False,
        "displayOrder": -1,
        "calculated": False,
        "externalOptions": False,
        "hubspotDefined": True,
        "formField": False,
        "modificationMetadata": {"archivable": False, "readOnlyDefinition": True, "readOnlyValue": False},
    }
