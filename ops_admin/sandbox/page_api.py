"""What the page and the tests use: telephones, mail, the agent's desk, failure switches. Not any vendor's API."""

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request

from ops_admin.sandbox import crm_desk, mail, phones, sendgrid_api, shop, twilio_calls
from ops_admin.sandbox import hubspot_records as records
from ops_admin.sandbox import hubspot_schema as schema
from ops_admin.sandbox import stripe_debits as debits
from ops_admin.sandbox import stripe_money as money
from ops_admin.sandbox.people import Person
from ops_admin.sandbox.world import World

Answer = Response | tuple[Response, int]
_LONGEST = 20_000


def blueprint(world: World) -> Blueprint:
    """This will give /api."""
    pages = Blueprint("page_api", __name__, url_prefix="/api")

    @pages.before_request
    def guard() -> Answer | None:
        """Only our own page, or a program without a browser's Origin, may push these buttons."""
        origin = request.headers.get("Origin")
        if request.method != "GET" and origin not in (None, request.host_url.rstrip("/"), world.here()):
            return jsonify(error="This page may not do that."), 403
        return None

    @pages.errorhandler(records.Refusal)
    def refused(error: records.Refusal) -> Answer:
        return jsonify(error=error.message), error.status

    @pages.errorhandler(ValueError)
    def wrong(error: ValueError) -> Answer:
        return jsonify(error=str(error)), 400

    @pages.errorhandler(KeyError)
    def missing(error: KeyError) -> Answer:
        return jsonify(error=f"Not found or missing: {error}"), 404

    _telephone(pages, world)
    _mail(pages, world)
    _desk(pages, world)
    _house(pages, world)
    return pages


def _given() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise ValueError("a JSON object is needed")
    if any(isinstance(value, str) and len(value) > _LONGEST for value in body.values()):
        raise ValueError(f"a text has at most {_LONGEST} characters")
    return body


def _person(world: World, **wanted: str) -> Person | None:
    return next(
        (item for item in world.config.people if all(getattr(item, key) == value for key, value in wanted.items())),
        None,
    )


def _telephone(pages: Blueprint, world: World) -> None:
    @pages.post("/phone/sms")
    def sms() -> Answer:
        body = _given()
        document = phones.receive(
            world, number=str(body["from"]), text=str(body.get("text", "")), whatsapp=False, here=world.here(),
            media=body.get("media") or (),
        )  # fmt: skip
        return jsonify(_bubble(document)), 201

    @pages.post("/phone/whatsapp")
    def whatsapp() -> Answer:
        body = _given()
        number, choice = str(body["from"]), body.get("choice")
        text, button = str(body.get("text") or ""), None
        if choice is not None:
            button = _button(phones.messages(world, number, "WHATSAPP"), choice)
            text = button["title"]
        person = _person(world, phone=number)
        document = phones.receive(
            world, number=number, text=text, whatsapp=True, here=world.here(), media=body.get("media") or (),
            button=button, replied_to=button["message"] if button else None,
            profile=str(body.get("name") or (person.name if person else "")),
        )  # fmt: skip
        return jsonify(_bubble(document)), 201

    @pages.get("/phone/<number>/messages")
    def messages(number: str) -> Answer:
        channel = request.args.get("channel", "").upper() or None
        return jsonify(messages=[_bubble(item) for item in phones.messages(world, number, channel)])

    @pages.post("/phone/<number>/window")
    def window(number: str) -> Answer:
        phones.age_window(world, number, float(_given().get("hours_ago", 25)))
        return jsonify(open=phones.window_open(world, number))

    @pages.post("/calls")
    def start_call() -> Answer:
        return jsonify(twilio_calls.view(twilio_calls.start(world, str(_given()["from"])))), 201

    @pages.post("/calls/<key>/input")
    def call_input(key: str) -> Answer:
        return jsonify(twilio_calls.view(twilio_calls.answer(world, key, _given())))

    @pages.get("/calls/<key>")
    def get_call(key: str) -> Answer:
        call = world.store.get("call", key)
        if call is None:
            raise KeyError(key)
        return jsonify(twilio_calls.view(call))


def _mail(pages: Blueprint, world: World) -> None:
    @pages.post("/mail")
    def write() -> Answer:
        body = _given()
        sender = str(body["from"])
        person = _person(world, email=sender)
        document = mail.write(
            world, sender=sender, name=str(body.get("name") or (person.name if person else "")),
            to=str(body.get("to") or ""), subject=str(body.get("subject") or ""),
            text=str(body.get("text") or ""), page=str(body.get("html") or ""),
            in_reply_to=body.get("in_reply_to"), attachments=body.get("attachments") or (),
            quote=body.get("quote", True) is not False, headers=body.get("headers") or {},
        )  # fmt: skip
        return jsonify(_letter(document)), 201

    @pages.get("/mail/<address>")
    def mailbox(address: str) -> Answer:
        return jsonify(mails=[_letter(item) for item in mail.mailbox(world, address)])

    @pages.post("/mail/<key>/read")
    def read(key: str) -> Answer:
        if mail.mark_read(world, key):
            base = (world.store.get("mail", key) or {})["event_base"]
            sendgrid_api.post_event(
                world, {**base, "event": "open", "useragent": "Wattline sandbox", "ip": "192.0.2.25"}
            )
        return jsonify(read=True)

    @pages.post("/mail/<key>/unsubscribe")
    def unsubscribe(key: str) -> Answer:
        return jsonify(status=mail.unsubscribe(world, key))


def _desk(pages: Blueprint, world: World) -> None:
    @pages.get("/crm/tickets")
    def tickets() -> Answer:
        return jsonify(tickets=crm_desk.tickets(world), stages=[label for _, label, _ in schema.STAGES])

    @pages.get("/crm/tickets/<key>")
    def ticket(key: str) -> Answer:
        record = records.get(world, "tickets", key)
        shown = crm_desk.ticket(world, record)
        return jsonify(
            {**shown, "timeline": crm_desk.timeline(world, "tickets", record["id"]),
             "replies": crm_desk.replies(world, record["id"])}
        )  # fmt: skip

    @pages.get("/crm/contacts/<key>/timeline")
    def contact_timeline(key: str) -> Answer:
        record = records.get(world, "contacts", key)
        return jsonify(contact=crm_desk.contact(record), timeline=crm_desk.timeline(world, "contacts", record["id"]))

    @pages.get("/crm/timeline")
    def customer_timeline() -> Answer:
        given = request.args.get("customer", "")
        person = _person(world, key=given)
        record = crm_desk.find_contact(world, person.email if person else given)
        if record is None:
            return jsonify(contact=None, timeline=[])
        return jsonify(contact=crm_desk.contact(record), timeline=crm_desk.timeline(world, "contacts", record["id"]))

    @pages.post("/crm/tickets/<key>/reply")
    def reply(key: str) -> Answer:
        body = _given()
        text = str(body.get("text") or "").strip()
        if not text:
            raise ValueError("an answer needs a text")
        return jsonify(crm_desk.ticket(world, crm_desk.reply(world, key, text, _agent(body)))), 201

    @pages.post("/crm/tickets/<key>/<any(accept, close, return, wait):what>")
    def move(key: str, what: str) -> Answer:
        label = {"accept": "With agent", "close": "Closed", "return": "Returned to assistant",
                 "wait": "Waiting on customer"}[what]  # fmt: skip
        agent = _agent(request.get_json(silent=True) or {})
        return jsonify(crm_desk.ticket(world, crm_desk.move(world, key, label, agent)))


def _house(pages: Blueprint, world: World) -> None:
    @pages.get("/people")
    def people() -> Answer:
        return jsonify(people=[asdict(item) for item in world.config.people])

    @pages.route("/switches", methods=["GET", "POST"])
    def switch() -> Answer:
        if request.method == "POST":
            world.switches.set(_given())
        return jsonify(world.switches.all())

    @pages.get("/webhooks")
    def webhooks() -> Answer:
        return jsonify(webhooks=list(reversed(world.courier.log)))

    @pages.post("/advance-day")
    def advance() -> Answer:
        with world.store.change():
            return jsonify(settled=debits.settle_debits(world))

    @pages.post("/disputes/<key>/<any(won, lost):end>")
    def end_dispute(key: str, end: str) -> Answer:
        with world.store.change():
            return jsonify(debits.end_dispute(world, money.get(world, "dispute", key), end == "won"))

    @pages.post("/payments/<key>/dispute")
    def dispute(key: str) -> Answer:
        try:
            return jsonify(debits.dispute(world, money.get(world, "payment_intent", key))), 201
        except Exception as problem:
            raise ValueError(str(problem)) from problem

    @pages.post("/payments/<key>/return")
    def return_debit(key: str) -> Answer:
        with world.store.change():
            code = str((request.get_json(silent=True) or {}).get("code") or "insufficient_funds")
            return jsonify(debits.return_debit(world, money.get(world, "payment_intent", key), code))

    @pages.get("/payments")
    def payments() -> Answer:
        return jsonify(payments=money.latest_payments(world, 20))

    @pages.post("/shop/pay")
    def pay_cash() -> Answer:
        return jsonify(shop.pay(world, _given())), 201

    @pages.post("/reset")
    def reset() -> Answer:
        world.courier.clear()
        world.store.clear()
        world.switches.reset()
        return jsonify(reset=True)

    @pages.get("/view")
    def view() -> Answer:
        """Everything the page shows for one person, or only the revision when nothing has changed since."""
        revision = world.store.revision
        log = list(world.courier.log)
        mark = f"{revision}.{log[-1]['at'] if log else 0}"
        if request.args.get("since") == mark:
            return jsonify(mark=mark, same=True)
        person = _person(world, key=request.args.get("person", "")) or world.config.people[0]
        calls = world.store.find("call", "person", person.phone)
        return jsonify(
            mark=mark,
            sms=[_bubble(item) for item in phones.messages(world, person.phone, "SMS")],
            whatsapp=[_bubble(item) for item in phones.messages(world, person.phone, "WHATSAPP")],
            window_open=phones.window_open(world, person.phone),
            opted_out=world.store.get("opt_out", f"{person.phone}|{world.config.sms_from}") is not None,
            call=twilio_calls.view(calls[-1]) if calls else None,
            mail=[_letter(item) for item in mail.mailbox(world, person.email)],
            tickets=crm_desk.tickets(world)[:60],
            debits=world.store.count("stripe-debit"),
            payments=money.latest_payments(world, 6),
            at_shop=shop.latest(world, 6),
            webhooks=list(reversed(log))[:25],
        )


def _agent(body: dict[str, Any]) -> int:
    """The agent by number, or by a part of the name; the first one when nobody is named."""
    given = body.get("agent", 0)
    if isinstance(given, int):
        return given % len(schema.OWNERS)
    for number, (_, first, last, _) in enumerate(schema.OWNERS):
        if str(given).lower() in f"{first} {last}".lower():
            return number
    return 0


def _button(thread: list[dict[str, Any]], choice: Any) -> dict[str, str]:
    for item in reversed(thread):
        for place, button in enumerate(item["buttons"]):
            if choice in (button["id"], button["title"], place + 1, str(place + 1)):
                return {**button, "message": item["sid"]}
    raise ValueError(f"no button {choice!r} on this telephone")


def _bubble(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "sid": item["sid"], "mine": item["direction"] == "inbound", "text": item["body"], "status": item["status"],
        "at": item["created"], "buttons": item["buttons"], "media": item["media"],
        "carrier": item.get("carrier", False),
        "error_code": item.get("error_code"), "error_message": item.get("error_message"), "shown": item["shown"],
        "segments": item["segments"], "channel": "WHATSAPP" if "whatsapp:" in item["from"] else "SMS",
    }  # fmt: skip


def _letter(item: dict[str, Any]) -> dict[str, Any]:
    headers = {name.lower() for name in item["headers"]}
    return {
        **{name: item[name] for name in (
            "id", "folder", "from", "from_name", "to", "subject", "text", "html", "at", "read", "message_id", "headers"
        )},
        "attachments": [
            {name: file.get(name) for name in ("name", "content_type", "content_base64")}
            for file in item["attachments"]
        ],
        "can_unsubscribe": "list-unsubscribe" in headers,
    }  # fmt: skip
