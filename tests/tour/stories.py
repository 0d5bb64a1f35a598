"""The stories. Each is played as its customer would, and each line with a figure is held against facts.

`STORIES` lists them in the order in which they are told; they share no account and can be played side by side.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import requests

from tests.stack.running import ROOT, RunningStack
from tests.tour import figures as f
from tests.tour import reasons
from tests.tour.doors import Door, Heard
from tests.tour.facts import Bill, Books, months_before
from tests.tour.figures import Fact
from tests.tour.scene import Scene

CARD = {"method": "card", "number": "4242 4242 4242 4242", "expiry": "12 / 34", "cvc": "123", "name": "Omar Haddad"}


# --- facts that several stories need ---------------------------------------------------------------------------------


def owed(books: Books) -> list[Fact]:
    """What a sentence about the balance has to say."""
    facts = [f.money(books.balance(), "balance in the ledger")]
    due = books.due_on()
    if due is not None:
        facts.append(f.day(due, "due date of the oldest open bill"))
    if books.overdue() > 0:
        facts.append(f.money(books.overdue(), "open bills past their due date"))
    return facts


def usage_lately(books: Books) -> list[Fact]:
    """The last seven whole days there are reads of, what they cost, and today so far."""
    fresh = max(books.reads) + timedelta(hours=1)
    last = min(books.today, fresh.astimezone(_zone(books)).date())
    first = last - timedelta(days=7)
    days = books.by_day(first, last)
    top = max(days.values())
    cost = Decimal(books.price(first, last, books.wh(first, last), books.document())["total"]) / 100
    facts = [
        f.day(first, "first of seven days"),
        f.day(last - timedelta(days=1), "last of seven days"),
        f.kwh(sum(days.values()), "use of seven days"),
        f.money(cost, "their price by the oracle"),
        f.kwh(sum(days.values()) // 7, "use a day"),
        f.day(next(d for d, wh in days.items() if wh == top), "busiest day"),
        f.kwh(top, "use of the busiest day"),
        *f.instant(fresh, books.zone, "newest read"),
    ]
    so_far = [books.reads[h] for h in books.hours(last, last + timedelta(days=1)) if h in books.reads]
    if so_far:
        same = [
            sum(books.wh(day, day + timedelta(days=1))[: len(so_far)])
            for day in (last - timedelta(days=7 * n) for n in range(1, 5))
        ]
        facts += [
            f.money(_added_today(books, last), "what today adds to the bill by the oracle"),
            f.kwh(sum(so_far), "today so far"),
            f.kwh(int(sorted(same)[1] + sorted(same)[2]) // 2, "usual by this time", may=True, near=Decimal("0.1")),
        ]
    return facts


def _added_today(books: Books, today: date) -> Decimal:
    """The running period up to the newest read, less the same without today; hours without a read used nothing."""
    begins = today.replace(day=books.row.bill_cycle_day)
    first = begins if begins <= today else months_before(begins, 1)
    until, document = today + timedelta(days=1), books.document()
    wh = [books.reads.get(hour, 0) for hour in books.hours(first, until)]
    before = len(books.hours(first, today))
    spared = [*wh[:before], *[0] * (len(wh) - before)]
    with_today, without = (books.price(first, until, used, document)["total"] for used in (wh, spared))
    return Decimal(with_today - without) / 100


def bill_basics(bill: Bill) -> list[Fact]:
    return [
        f.money(bill.total, "total of the bill"),
        f.day(bill.starts_on, "first day of the bill"),
        f.day(bill.last_day, "last day of the bill"),
        f.count(bill.days, "days of the bill"),
        f.kwh(bill.wh, "use of the bill"),
    ]


def tip_facts(books: Books) -> list[Fact]:
    """The tip that goes with a bill that is found high: it has to be the one that saves most."""
    best = reasons.best_tip(books)
    kinds = {"saving": "money", "percent": "percent", "limit": "kwh"}
    return [Fact(kinds.get(name, "count"), value, f"{name} of the best tip") for name, value in best.items()]


def with_code(door: Door, scene: Scene) -> list[Heard]:
    """This will read the code on the customer's phone and give it to the assistant; gives the answer to the wish."""
    code = door.code()
    if hasattr(door, "press"):
        return door.press(code)  # type: ignore[no-any-return]
    if hasattr(door, "write"):
        return door.write(code, reply=True)  # type: ignore[no-any-return]
    return door.say(code)  # type: ignore[attr-defined, no-any-return]


# --- the stories -----------------------------------------------------------------------------------------------------


def maya(scene: Scene) -> None:
    """Maya asks for her balance on the web; a one-time code on her phone proves who she is."""
    books = scene.books("5500010011")
    chat = scene.chat("Maya", phone="+15550101001")
    scene.says(chat.say("What is my balance?"), "account number")
    scene.says(chat.say("5500010011"), "six-digit code")
    scene.check(with_code(chat, scene), owed(books))
    bill = books.bills()[0]
    answer = chat.choose("See my bill")
    earlier = [
        fact
        for b in books.bills()[1:4]
        for fact in (f.day(b.issued_on, "earlier bill issued"), f.money(b.total, "earlier bill"))
    ]
    scene.check(
        answer, bill_basics(bill), earlier, f.money(bill.open, "open of the bill"), f.day(bill.due_on, "due date"),
        f.code(bill.number, "number of the bill"),
    )  # fmt: skip


def grace(scene: Scene) -> None:
    """Grace asks by e-mail why her bill is high, and goes on in the same thread with the old mail quoted below."""
    books = scene.books("5500010037")
    mail = scene.mail("Grace", "grace.hall@example.com", phone="+15550101003")
    letter = "Hello,\n\nmy bill is much higher than last month. Can you tell me why?\n\nGrace Hall"
    scene.says(mail.write(letter, "Why is my bill so high?"), "six-digit code")
    answer = with_code(mail, scene)
    now, before = books.bills()[:2]
    why, top = reasons.drivers(books, now, before), reasons.busiest(books, now)
    scene.equal(sum(why.values()), now.total - before.total, "the reasons add up to the difference")
    scene.check(
        answer,
        f.money(now.total, "this bill"),
        f.money(before.total, "the bill before"),
        f.money(now.total - before.total, "the difference"),
        [f.money(amount, f"reason {kind}") for kind, amount in why.items() if amount],
        Fact("kwh", Decimal(now.wh) / 1000 / now.days, "use a day"),
        Fact("kwh", Decimal(before.wh) / 1000 / before.days, "use a day before"),
        [
            f.day(top.day, "busiest day"),
            f.kwh(top.wh, "use of the busiest day"),
            f.money(top.cost, "its cost by the oracle"),
        ],
        tip_facts(books),
    )
    again = mail.write("Thank you. And how much do I owe in total?", reply=True)
    scene.check(again, owed(books))
    scene.must(
        all(m.subject == "Subject: Re: Why is my bill so high?" for m in mail.heard), "the thread lost its subject"
    )
    talks = scene.stack.rows(
        "SELECT DISTINCT m.conversation_id FROM message m JOIN conversation c ON c.id = m.conversation_id"
        " JOIN channel_identity i ON i.id = c.identity_id"
        " WHERE i.value = 'grace.hall@example.com' AND m.direction = 'IN'"
    )
    scene.equal(len(talks), 1, "conversations of one thread")
    quoted = scene.stack.rows(
        "SELECT m.text FROM message m JOIN conversation c ON c.id = m.conversation_id"
        " JOIN channel_identity i ON i.id = c.identity_id WHERE i.value = 'grace.hall@example.com'"
        " AND m.direction = 'IN' ORDER BY m.id DESC LIMIT 1"
    )
    scene.equal(quoted[0].text, "Thank you. And how much do I owe in total?", "the reply without what it quotes")


def omar(scene: Scene) -> None:
    """Omar pays from a text message: a link, the hosted page, a card, a receipt, and nothing is owed any more."""
    books = scene.books("5500010045")
    sms = scene.sms("Omar", "+15550101004")
    sms.say("I want to pay my bill")
    due = books.balance()
    answer = with_code(sms, scene)
    scene.check(answer, f.money(due, "balance in the ledger"))
    link = re.search(r"https?://\S+/pay/\S+", answer[-1].text)
    if link is None:
        scene.fault("no payment link in the answer")
        return
    browser = requests.Session()
    page = browser.get(link.group(0), timeout=20)
    scene.must(page.ok and f"{due:,.2f}" in page.text, "the pay page does not show the amount")
    hosted = browser.post(link.group(0), data={"method": "card"}, timeout=30)
    scene.must(hosted.ok and "/stripe/pay/" in hosted.url, f"no hosted payment page: {hosted.status_code} {hosted.url}")
    sms.book.say("Omar", f"(opens the link; the page asks for ${due}; pays with a card)")
    done = browser.post(hosted.url, data=CARD, timeout=30)
    scene.must(done.ok and "/done" in done.url, f"the payment did not come through: {done.status_code} {done.url}")
    receipt = scene.mail("Omar", "omar.haddad@example.com").wait(r"received your payment")
    scene.check(receipt, f.money(due, "the payment"))
    scene.equal(books.balance(), Decimal(0), "balance after paying")
    paid = books.one(
        "SELECT amount_cents, status, method FROM payment WHERE account_id = :a AND gateway = 'stripe'", a=books.account
    )
    scene.equal((Decimal(paid.amount_cents) / 100, paid.status), (due, "SUCCEEDED"), "the payment in the books")
    last = books.bills()[0]
    scene.check(sms.say("What do I owe now?"), f.money(last.total, "last bill"))


def rosa(scene: Scene) -> None:
    """Rosa is behind. In Spanish, by WhatsApp, she agrees on a payment plan whose parts add up to the cent."""
    books = scene.books("5500010053")
    phone = scene.whatsapp("Rosa", "+15550101005")
    phone.say("No puedo pagar todo de golpe, ¿puedo pagar a plazos?")
    total, overdue = books.balance(), books.overdue()
    answer = with_code(phone, scene)
    offered = [int(m.group(1)) for item in answer for c in item.choices if (m := re.match(r"(\d+) ×", c))]
    parts = {n: _parts(total, n) for n in offered}
    most = _most_instalments(books, total)
    scene.check(
        answer, f.money(total, "balance in the ledger"), f.money(overdue, "past due"), f.count(most, "the most parts"),
        [f.count(n, "parts offered") for n in parts],
        [f.money(amounts[0], f"one of {n} parts") for n, amounts in parts.items()],
        f.day(books.today + timedelta(days=_more_time(books)), "the day until which there is more time"),
    )  # fmt: skip
    wanted = 6 if 6 in parts else max(parts)
    amounts = parts[wanted]
    first = books.today + timedelta(days=14)
    dates = [months_before(first, -n) for n in range(wanted)]
    scene.check(
        phone.say(f"en {wanted} meses"), f.money(total, "all parts together"), f.count(wanted, "parts"),
        [f.money(amount, f"part {n}") for n, amount in enumerate(amounts, 1)],
        [f.day(day, f"due date of part {n}") for n, day in enumerate(dates, 1)],
    )  # fmt: skip
    opened = phone.choose("^Sí")
    rows = books.rows(
        "SELECT i.* FROM arrangement_instalment i JOIN arrangement a ON a.id = i.arrangement_id"
        " WHERE a.account_id = :a AND a.status = 'ACTIVE' ORDER BY i.position",
        a=books.account,
    )
    scene.equal(sum(Decimal(r.amount_cents) for r in rows) / 100, total, "the instalments in the books together")
    scene.equal([r.due_on for r in rows], dates, "their due dates")
    scene.check(
        opened, f.money(total, "all parts together"), f.count(len(rows), "parts in the books"),
        f.money(Decimal(rows[0].amount_cents) / 100, "first part"), f.day(rows[0].due_on, "due date of the first"),
    )  # fmt: skip
    scene.must(all(_spanish(item.text) for item in phone.heard), "Rosa was not answered in Spanish")


def ben(scene: Scene) -> None:
    """Ben's lights are out. He reports it by text, and hears from us when power is back."""
    books = scene.books("5500010060")
    outage = books.one(
        "SELECT o.* FROM outage o JOIN outage_service_point p ON p.outage_id = o.id"
        " WHERE p.service_point_id = :p AND p.restored_at IS NULL",
        p=books.point,
    )
    known = [
        f.code(outage.number, "number of the outage"),
        *f.instant(outage.estimated_restoration_at, books.zone, "estimate"),
    ]
    sms = scene.sms("Ben", "+15550101006")
    scene.check(sms.say("My power is out"), known)
    scene.check(sms.say("no"), known)
    report = books.rows(
        "SELECT * FROM outage_report WHERE outage_id = :o AND service_point_id = :p AND NOT duplicate",
        o=outage.id, p=books.point,
    )  # fmt: skip
    scene.equal(len(report), 1, "reports of Ben's that count")
    restore(scene.stack, outage.id)
    sms.book.say("(staff)", "mark the outage restored")
    back = sms.wait("power is back")
    after = books.one("SELECT restored_at FROM outage WHERE id = :o", o=outage.id)
    scene.must(after.restored_at is not None, "the outage is still open in the books")
    scene.check(
        back, [Fact(x.kind, x.value, x.what, may=True) for x in f.instant(after.restored_at, books.zone, "restored")]
    )


def ivy(scene: Scene) -> None:
    """Ivy books a technician on the web chat, and moves the visit to another time."""
    books = scene.books("5500010078")
    chat = scene.chat("Ivy", phone="+15550101007")
    chat.say("I need to book a technician")
    chat.say("+1 555 010 1007")
    answer = with_code(chat, scene)
    request = books.one(
        "SELECT * FROM service_request WHERE account_id = :a AND status IN ('OPEN', 'IN_PROGRESS')", a=books.account
    )
    free = _free(books, request.kind)
    scene.check(answer, f.code(request.number, "Ivy's open request"), _windows(books, free, answer))
    scene.says(answer[-1], "free")
    first, second = _offered(books, free, answer)[:2]
    scene.check(chat.choose(_label(books, first)), _window(books, first))
    scene.check(chat.choose("^Yes"), _window(books, first), f.code(request.number, "the request"))
    held = _visit(books, request.id)
    scene.equal((held.starts_at, held.ends_at), (first.starts_at, first.ends_at), "the visit in the books")
    free = _free(books, request.kind)
    moved = chat.say("I need to move my appointment")
    scene.check(moved, _window(books, first), _windows(books, free, moved))
    second = next(w for w in _offered(books, free, moved) if w.starts_at != first.starts_at)
    scene.check(
        chat.choose(_label(books, second)), f.instant(first.starts_at, books.zone, "from"), _window(books, second)
    )
    scene.check(chat.choose("^Yes"), _window(books, second), f.code(request.number, "the request"))
    held = _visit(books, request.id)
    scene.equal((held.starts_at, held.ends_at), (second.starts_at, second.ends_at), "the moved visit in the books")
    full = books.rows("SELECT count(*) AS n FROM appointment WHERE request_id = :r AND status = 'BOOKED'", r=request.id)
    scene.equal(full[0].n, 1, "visits booked for one request")


def sam(scene: Scene) -> None:
    """Sam asks for a cheaper plan: each is priced on his own use, and he switches."""
    books = scene.books("5500010086")
    chat = scene.chat("Sam", phone="+15550101008")
    chat.say("Is there a cheaper plan for me?")
    chat.say("sam.okafor@example.com")
    answer = with_code(chat, scene)
    years = reasons.plans_on_sale(books)
    own, best = years[books.tariff()], min(years.values(), key=lambda y: y.cost)
    spread = reasons.spread(books)
    scene.must(best.code != own.code, "Sam is already on the cheapest plan: the story has no point today")
    scene.check(
        answer,
        [f.money(y.cost, f"a year on {y.code} by the oracle") for y in years.values()],
        [f.money(own.cost - y.cost, f"difference to {y.code}", may=y is own) for y in years.values()],
        [f.money(y.best_month, f"best month on {y.code}") for y in years.values()],
        [f.money(y.worst_month, f"worst month on {y.code}") for y in years.values()],
        [f.Fact("percent", Decimal(spread), "how far a year may lie from this one")],
        [f.money(reasons.year_of(books, best.code, 100 + by), f"a year with {by} % use") for by in (-spread, spread)],
        f.count(sum((b - a).days for a, b in reasons.months_of_year(books)), "days of use"),
    )
    tariff = books.one("SELECT * FROM tariff WHERE code = :c", c=best.code)
    cycle = _next_cycle(books)
    days = [f.day(cycle, "the next bill"), f.day(months_before(cycle, -1), "the bill after it")]
    asked = chat.choose(_plan_name(best.code))
    if months_before(cycle, 1) < books.today:  # today splits the bill that is running
        split = reasons.split_today(books, best.code, cycle)
        days += [f.count(split[of], of, may=True) for of in ("days before", "days after")]
        days += [f.money(split[of], f"the bill split today: {of}") for of in ("likely", "unchanged")]
    scene.check(asked, f.day(books.today, "today"), days, f.money(Decimal(0), "exit fee", may=True))
    scene.check(
        chat.choose(f"^From .*{cycle.day}$"), f.day(cycle, "end of the running bill period"),
        f.money(best.cost, "a year on the plan"),
        f.money(own.cost - best.cost, "saving"), f.money(best.worst_month, "worst month"),
        f.day(cycle + timedelta(days=tariff.cooling_off_days), "last day to change one's mind"),
        f.money(Decimal(tariff.exit_fee_cents) / 100, "exit fee", may=True),
    )  # fmt: skip
    done = chat.choose("^Yes")
    held = books.rows(
        "SELECT x.*, t.code FROM agreement_tariff x JOIN tariff t ON t.id = x.tariff_id WHERE x.agreement_id = :g"
        " ORDER BY x.starts_on DESC",
        g=books.agreement,
    )
    scene.equal((held[0].code, held[0].starts_on), (best.code, cycle), "the plan in the books, from the next bill on")
    scene.check(
        done, f.day(cycle, "end of the running bill period"),
        f.day(cycle + timedelta(days=tariff.cooling_off_days), "last day to change one's mind"),
        f.money(Decimal(0), "exit fee", may=True),
    )  # fmt: skip
    scene.equal(held[0].cooling_off_until, cycle + timedelta(days=tariff.cooling_off_days), "cooling-off in the books")


def nora(scene: Scene) -> None:
    """Nora has a meter without radio and texts what it shows."""
    books = scene.books("5500010094")
    meter = books.meter
    before = books.rows(
        "SELECT value, read_at FROM register_read WHERE meter_id = :m ORDER BY read_at DESC LIMIT 2", m=meter.id
    )
    apart = (before[0].read_at - before[1].read_at).days
    since = (books.value("SELECT now()") - before[0].read_at).days
    shows = int(before[0].value) + max(1, round(float(before[0].value - before[1].value) / apart * since))
    sms = scene.sms("Nora", "+15550101009")
    sms.say("I want to submit a meter reading")
    scene.check(
        with_code(sms, scene), f.code(meter.number, "number of the meter"), f.count(meter.digits, "digits of the dial")
    )
    scene.check(sms.say(f"{shows:06}"), f.count(shows, "the reading"))
    taken = sms.say("yes")
    row = books.one("SELECT * FROM submitted_reading WHERE meter_id = :m AND source = 'SMS'", m=meter.id)
    scene.equal((row.status, int(row.value)), ("ACCEPTED", shows), "the reading in the books")
    used = (Decimal(shows) - before[0].value) * meter.multiplier
    scene.check(taken, f.count(shows, "the reading"), Fact("kwh", used, "use since the last reading"))


def luis(scene: Scene) -> None:
    """Luis asks in Spanish by WhatsApp what he owes and what he has used."""
    books = scene.books("5500010029")
    phone = scene.whatsapp("Luis", "+15550101002")
    phone.say("Hola, ¿cuánto debo?")
    scene.check(with_code(phone, scene), owed(books))
    scene.check(phone.say("¿Cuánta luz he gastado últimamente?"), usage_lately(books))
    scene.must(all(_spanish(item.text) for item in phone.heard), "Luis was not answered in Spanish")


def hugo(scene: Scene) -> None:
    """Hugo phones and uses nothing but the keypad: the menu, the code, his balance; then he tries Spanish."""
    books = scene.books("5500010102")
    call = scene.call("Hugo", "+15550101010")
    scene.says(call.dial(), "automated assistant.*español.*press 1")
    asked = call.press("1")
    scene.says(asked, "six-digit code.*1 0 1 0")
    scene.check(asked, f.count(1010, "end of Hugo's number"))
    scene.check([h for h in with_code(call, scene) if "press" not in h.text.lower()], owed(books))
    scene.says(call.press("9") or call.heard[-1:], "saldo|español|oprima")
    scene.check([h for h in call.press("1") if "oprima" not in h.text.lower()], owed(books))
    call.hang_up()
    scene.equal(call.view["warnings"], [], "warnings of the telephone company")


def dana(scene: Scene) -> None:
    """Dana is angry and wants a person. An agent takes over in the CRM, answers, and gives her back."""
    books = scene.books("5500010110")
    chat = scene.chat("Dana", phone="+15550101011")
    chat.say("What do I owe?")
    chat.say("5500010110")
    scene.check(with_code(chat, scene), owed(books))
    asked = chat.say("This is the third time I write about this. I want to talk to a person!")
    _person_called(scene, asked)
    handoff = scene.wait("a handoff", lambda: _handoff_of(scene, books))
    ticket = scene.wait("Dana's ticket in the CRM", lambda: _ticket(scene, handoff))
    scene.equal(ticket["stage_label"], "Waiting for agent", "stage of the ticket")
    scene.equal(ticket["contact"]["name"], "Dana Price", "contact of the ticket")
    agent = {"agent": 0}
    scene.sandbox.post(f"/api/crm/tickets/{ticket['id']}/accept", **agent)
    scene.book.say("(agent)", "takes the ticket in the CRM")
    chat.wait("joined the conversation")
    scene.sandbox.post(
        f"/api/crm/tickets/{ticket['id']}/reply",
        text="Hello Dana, I am sorry. I will call the meter team today.",
        **agent,
    )
    said = chat.wait("I will call the meter team today")
    scene.must(said.who not in ("assistant", "system"), f"the agent's words came from {said.who}")
    chat.say("Thank you. Please let me know by tomorrow.")
    scene.wait("Dana's words on the agent's screen", lambda: "by tomorrow" in str(
        scene.sandbox.get(f"/api/crm/tickets/{ticket['id']}")))  # fmt: skip
    scene.must(
        not scene.stack.rows(
            "SELECT 1 FROM message m JOIN handoff h ON h.conversation_id = m.conversation_id"
            " WHERE h.id = :h AND m.author = 'ASSISTANT' AND m.created_at > h.accepted_at", h=handoff,
        ),
        "the assistant spoke while a person had the floor",
    )  # fmt: skip
    scene.sandbox.post(f"/api/crm/tickets/{ticket['id']}/return", **agent)
    scene.book.say("(agent)", "returns the ticket to the assistant")
    chat.wait("automated assistant again")
    scene.check(chat.say("What do I owe?"), owed(books))
    ended = scene.stack.rows("SELECT status, end_reason FROM handoff WHERE id = :h", h=handoff)[0]
    scene.equal((ended.status, ended.end_reason), ("CLOSED", "STAFF_CLOSED"), "the handoff in the books")


def cafe(scene: Scene) -> None:
    """Elena of Café Sol asks in Spanish, by e-mail, about the demand charge on the business bill."""
    books = scene.books("5500010128")
    mail = scene.mail("Elena", "elena.ruiz@example.com", phone="+15550101012")
    mail.write("Hola:\n\n¿qué es el cargo por demanda de mi factura?\n\nElena Ruiz", "Cargo por demanda")
    answer = with_code(mail, scene)
    now, before = books.bills()[:2]
    why, top = reasons.drivers(books, now, before), reasons.busiest(books, now)
    lines = sorted(books.lines(now.id), key=lambda line: -line.amount_cents)[:3]
    scene.equal(sum(why.values()), now.total - before.total, "the reasons add up to the difference")
    scene.check(
        answer, bill_basics(now), f.money(before.total, "the bill before"),
        f.money(now.total - before.total, "the difference"),
        [f.money(amount, f"reason {kind}") for kind, amount in why.items() if amount],
        [f.money(Decimal(line.amount_cents) / 100, f"line {line.code}") for line in lines],
        [f.day(top.day, "busiest day"), f.kwh(top.wh, "its use"), f.money(top.cost, "its cost by the oracle")],
    )  # fmt: skip
    scene.says(answer, "demanda")
    scene.must(all(_spanish(item.text) for item in mail.heard), "Elena was not answered in Spanish")


def cable(scene: Scene) -> None:
    """A stranger texts in Spanish that a wire is down: safety words at once, and an emergency ticket."""
    sms = scene.sms("Vecina", "+15550199001")
    answer = sms.say("¡Se cayó un cable en la calle Elm y echa chispas!", seconds=10)
    scene.check(answer, f.count(10, "metres to keep away", may=True), f.count(35, "feet to keep away", may=True))
    scene.says(answer, r"PELIGRO|peligroso")
    scene.says(answer, r"911")
    scene.equal(len(answer), 1, "messages in an emergency")
    row = scene.stack.rows(
        "SELECT h.id, h.priority, h.reason, c.locale, c.floor FROM handoff h"
        " JOIN conversation c ON c.id = h.conversation_id"
        " JOIN channel_identity i ON i.id = c.identity_id WHERE i.value = '+15550199001'"
    )
    scene.equal(
        [(r.priority, r.reason, r.locale, r.floor) for r in row],
        [("EMERGENCY", "EMERGENCY", "es", "WAITING")],
        "handoff",
    )
    ticket = scene.wait("the emergency's ticket", lambda: _ticket(scene, row[0].id))
    scene.equal(ticket["properties"]["hs_ticket_priority"], "URGENT", "priority of the ticket")
    took = scene.stack.rows(
        "SELECT extract(epoch FROM o.created_at - m.created_at) AS s FROM message m"
        " JOIN message o ON o.in_reply_to = m.id"
        " JOIN conversation c ON c.id = m.conversation_id JOIN channel_identity i ON i.id = c.identity_id"
        " WHERE i.value = '+15550199001' AND o.kind LIKE 'emergency.%'"
    )
    scene.must(took and took[0].s < 6, f"the safety words took {took[0].s if took else '?'} s")


def stranger(scene: Scene) -> None:
    """Somebody asks for Maya's balance without being Maya: nothing is told, not even whether she is a customer."""
    chat = scene.chat("Stranger")
    chat.say("What is the balance of Maya Chen?")
    known = chat.say("5500010011")
    unknown_chat = scene.chat("Stranger 2")
    unknown_chat.say("What is my balance?")
    unknown = unknown_chat.say("5599999999")
    scene.equal([h.text for h in known], [h.text for h in unknown], "the answer to a real and to an invented account")
    scene.says(known, "If that matches our records")
    for left in (4, 3):
        scene.check(chat.say("000000"), f.count(left, "tries left of five"))
    maya_ = scene.books("5500010011")
    said = "\n".join(h.text for h in chat.heard)
    for secret in (f"{maya_.balance():,.2f}", "Maya", "Chen", "1001", maya_.row.address):
        scene.must(secret not in said, f"the stranger was told {secret!r}")


STORIES: tuple[tuple[str, Callable[[Scene], None]], ...] = (
    ("Maya · web chat · balance with a one-time code", maya),
    ("Grace · e-mail · why is my bill high, and a reply in the thread", grace),
    ("Omar · SMS · pay by link, receipt, balance zero", omar),
    ("Rosa · WhatsApp, Spanish · a payment plan", rosa),
    ("Ben · SMS · power out, and power back", ben),
    ("Ivy · web chat · book a visit and move it", ivy),
    ("Sam · web chat · compare plans and switch", sam),
    ("Nora · SMS · a meter reading", nora),
    ("Luis · WhatsApp, Spanish · saldo y consumo", luis),
    ("Hugo · phone · balance by the keypad alone, then Spanish", hugo),
    ("Dana · web chat · to a person and back", dana),
    ("Café Sol · e-mail, Spanish · the demand charge", cafe),
    ("A neighbour · SMS, Spanish · a wire is down", cable),
    ("A stranger · web chat · asks for another's balance", stranger),
)


def restore(stack: RunningStack, outage_id: int) -> None:
    """This will have staff mark an outage restored, through a small hub of their own on the run's servers."""
    environment = {**os.environ, **{name: str(value) for name, value in stack.run["environment"].items()}}
    command = [sys.executable, "-m", "tests.tour.crew", str(outage_id)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=60)


# --- small helpers ---------------------------------------------------------------------------------------------------


def _zone(books: Books) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo(books.zone)


def _parts(total: Decimal, count: int) -> list[Decimal]:
    """Equal parts to the cent; the odd cents lie on the first ones."""
    cents = int(total * 100)
    each, odd = divmod(cents, count)
    return [Decimal(each + (1 if n < odd else 0)) / 100 for n in range(count)]


def _most_instalments(books: Books, total: Decimal) -> int:
    """The jurisdiction's own figure, from its pack, and no part below the least there may be."""
    from billing import rules

    return int(min(rules.most_instalments("US-PA", books.today), int(total * 100) // rules.MIN_INSTALMENT_CENTS))


def _more_time(books: Books) -> int:
    """How many days more the jurisdiction gives who cannot pay by the due date, from its pack."""
    from billing import rules

    return rules.extension("US-PA", books.today)[0]


def _spanish(text: str) -> bool:
    return re.search(r"\b(your|you|the|please|and)\b", text.split("\n-- \n")[0], re.I) is None


def _next_cycle(books: Books) -> Any:
    day, today = books.row.bill_cycle_day, books.today
    this = today.replace(day=day)
    return this if this > today else months_before(this, -1)


def _plan_name(code: str) -> str:
    return {"RES-TOU": "Time of Day", "RES-TIER": "Saver Steps", "RES-EV": "Night Drive", "RES-FLAT": "Simple Home"}[
        code
    ]


def _free(books: Books, kind: str) -> list[Any]:
    return books.rows(
        "SELECT s.starts_at, s.ends_at FROM crew_slot s JOIN crew c ON c.id = s.crew_id"
        " WHERE c.active AND :kind = ANY(c.skills) AND s.booked < s.capacity"
        " AND s.starts_at > now() + interval '2 hours'"
        " GROUP BY s.starts_at, s.ends_at ORDER BY s.starts_at",
        kind=kind,
    )


def _offered(books: Books, free: list[Any], answer: list[Heard]) -> list[Any]:
    labels = [label for item in answer for label in item.choices]
    return [w for w in free if _label(books, w).strip("^$") in labels]


def _label(books: Books, window: Any) -> str:
    local = window.starts_at.astimezone(_zone(books))
    return f"{local:%a} {local:%b} {local.day}, {local.hour % 12 or 12}:{local:%M} {local:%p}"


def _window(books: Books, window: Any) -> list[Fact]:
    start, end = window.starts_at.astimezone(_zone(books)), window.ends_at.astimezone(_zone(books))
    return [
        *f.instant(window.starts_at, books.zone, "start of the window"),
        Fact("clock", (end.hour, end.minute), f"end of the window that starts {start:%a %H:%M}"),
        f.count(2, "hours before which it can be changed", may=True),
    ]


def _windows(books: Books, free: list[Any], answer: list[Heard]) -> list[Fact]:
    """Every window offered has to be free in the crews' calendar: as many as there are labels."""
    offered = _offered(books, free, answer)
    labels = [label for item in answer for label in item.choices if re.search(r"\d:\d\d", label)]
    assert len(offered) == len(labels), f"offered {labels}, free are {[_label(books, w) for w in free[:6]]}"
    return [fact for window in offered for fact in f.instant(window.starts_at, books.zone, "a free window")]


def _visit(books: Books, request: int) -> Any:
    return books.one(
        "SELECT s.starts_at, s.ends_at FROM appointment a JOIN crew_slot s ON s.id = a.slot_id"
        " WHERE a.request_id = :r AND a.status = 'BOOKED'",
        r=request,
    )


def _handoff_of(scene: Scene, books: Books) -> int | None:
    rows = scene.stack.rows(
        "SELECT h.id FROM handoff h JOIN conversation c ON c.id = h.conversation_id"
        " WHERE c.customer_id = :u AND h.status = 'WAITING'",
        u=books.customer,
    )
    return rows[0].id if rows else None


def _ticket(scene: Scene, handoff: int) -> dict[str, Any] | None:
    found = scene.sandbox.get("/api/crm/tickets")["tickets"]
    return next((t for t in found if t["properties"].get("hub_key") == f"handoff-{handoff}" and t["contact"]), None)


def _person_called(scene: Scene, answer: list[Heard]) -> None:
    """In the hours people work they come; else the customer is told when they are here: Monday to Saturday, 8 to 20."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    zone = ZoneInfo("America/New_York")
    now: datetime = scene.stack.rows("SELECT now()")[0][0].astimezone(zone)
    if now.weekday() < 6 and 8 <= now.hour < 20:
        scene.says(answer, "calling a person")
        return
    opens = now.replace(hour=8, minute=0, second=0, microsecond=0)
    if now.hour >= 8:
        opens += timedelta(days=1)
    while opens.weekday() == 6:
        opens += timedelta(days=1)
    scene.check(answer, f.instant(opens, "America/New_York", "when people are here again"))
