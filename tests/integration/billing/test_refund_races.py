"""A payment's money leaves once: refunds, returned debits and disputes in every order, told late, twice, or not at all.

The bank here is the truth: it keeps what it moved. Whatever it told when, our books must say the same in the end.
"""

import contextlib
import itertools
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from billing import cash_models, models
from billing import operations as billing
from core import errors, money, ports
from tests.fakes import FakeGateway
from tests.integration.billing import books_check

AT = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)


@dataclass
class Bank(FakeGateway):
    """A gateway that moves money once and only while it has it, and writes a letter about everything it does."""

    account: str = ""
    at: datetime = AT
    paid: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    over: set[str] = field(default_factory=set)  # returned: nothing more is left
    given: dict[str, dict] = field(default_factory=dict)
    letters: list[ports.GatewayEvent] = field(default_factory=list)
    number: int = 0

    def write(self, kind, intent, cents, **more):
        self.number += 1
        self.at += timedelta(seconds=7)
        names = {"reference": self.account, **more.pop("names", {})}
        self.letters.append(
            ports.GatewayEvent(
                f"evt_{self.number}", kind, intent, money.from_cents(cents), "USD", names, at=self.at, **more
            )
        )

    def pay(self, intent, cents):
        self.paid[intent] = cents
        self.moved[intent] += cents
        self.write("payment.succeeded", intent, cents, method="us_bank_account")

    def give_back(self, intent):
        self.over.add(intent)
        self.moved[intent] = 0
        self.write("payment.failed", intent, self.paid[intent], method="us_bank_account", failure_code="R01")

    def dispute(self, intent, cents):
        self.held[intent] = cents
        self.moved[intent] -= cents
        self.write("payment.disputed", intent, cents, names={"dispute": f"dp_{intent}"})

    def decide(self, intent, won):
        cents = self.held.pop(intent)
        self.moved[intent] += cents if won else 0
        kind = "payment.dispute_won" if won else "payment.dispute_lost"
        self.write(kind, intent, cents, names={"dispute": f"dp_{intent}"})

    def refund(self, *, external_id, amount, key):
        self._up()
        if key not in self.given:
            cents = money.cents(amount)
            if external_id in self.over or external_id in self.held or cents > self.moved[external_id]:
                raise errors.ProviderError("gateway.refused", retryable=False)
            self.given[key] = {"intent": external_id, "cents": cents, "status": "SENT"}
            self.moved[external_id] -= cents
            self._tell(key)
            total = sum(g["cents"] for g in self.given.values() if g["intent"] == external_id and g["status"] == "SENT")
            self.write("payment.refunded", external_id, total)
        self._done()
        return f"re_{key}"

    def come_back(self, key):
        given = self.given[key]
        given["status"] = "FAILED"
        self.moved[given["intent"]] += given["cents"]
        self._tell(key)

    def find_refund(self, *, external_id, key):
        self._up()
        given = self.given.get(key)
        return ports.GatewayRefund(f"re_{key}", given["status"]) if given else None

    def _tell(self, key):
        given = self.given[key]
        kind = "refund.sent" if given["status"] == "SENT" else "refund.failed"
        self.write(kind, given["intent"], given["cents"], names={"refund": key, "gateway_refund": f"re_{key}"})


@pytest.fixture
def bank(hub):
    return Bank()


@pytest.fixture
def till(hub, session, make_house, bank):
    """A hub whose gateway is the bank, and a house that owes 130.68."""
    house = make_house(starts_on=date(2026, 9, 1))
    hub = hub.with_(payments=bank)
    hub.clock.at = AT
    report = billing.run_bills(hub, period_end_on=date(2026, 11, 1), now=AT)
    billing.issue_bills(hub, run_id=report.run_id, now=AT)
    bank.account = f"account:{house.account_id}"
    return hub, house


def ask(hub, session, intent, cents, key):
    row = session.scalars(select(models.PaymentRow).where(models.PaymentRow.external_id == intent)).one()
    asked = billing.request_refund(
        session, payment_id=row.id, amount=money.from_cents(cents), reason="x", actor="ana", key=key, now=hub.now()
    )
    billing.decide_refund(session, refund_id=asked.id, approve=True, actor="bo", now=hub.now())
    session.commit()
    return asked.id


def ours(session, intent):
    """What our books say is left of a payment, by the ledger's own entries for its account."""
    row = session.scalars(select(models.PaymentRow).where(models.PaymentRow.external_id == intent)).one_or_none()
    return 0 if row is None else row.amount_cents - row.refunded_cents - row.returned_cents


def cash(session, house):
    return session.execute(
        text("SELECT coalesce(sum(debit_cents - credit_cents), 0) FROM ledger_entry WHERE account_id = :a AND"
             " code = 'CASH'"), {"a": house.account_id},
    ).scalar_one()  # fmt: skip


# what the bank did, after the payment had come: each as it may happen there
STORIES = {
    "refund": ["refund"],
    "refund, then the debit comes back": ["refund", "return"],
    "the debit comes back, the refund is refused": ["return", "refund"],
    "refund, then a dispute about the rest that is lost": ["refund", "dispute", "lost"],
    "refund, then a dispute about the rest that is won": ["refund", "dispute", "won"],
    "a dispute, the refund is refused, won": ["dispute", "refund", "won"],
    "a dispute won, then the refund": ["dispute", "won", "refund"],
    "a dispute lost, then the refund is refused": ["dispute", "lost", "refund"],
    "a dispute won, then the debit comes back": ["dispute", "won", "return"],
    "the refund comes back": ["refund", "come back"],
    "the refund comes back, then the debit does": ["refund", "come back", "return"],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
@pytest.mark.parametrize("answer", ["heard", "lost", "lost and the worker died"])
def test_every_order_of_news_ends_in_the_same_books(till, session, bank, story, answer):
    hub, house = till
    bank.pay("pi_1", 13068)
    billing.settle_gateway_event(hub, bank.letters.pop())
    refund_id = ask(hub, session, "pi_1", 3000, "r1")
    start = session.begin_nested()
    held = 10068 if story[0] == "refund" else 13068
    for step in story:
        if step == "refund":
            bank.lose_answers = 0 if answer == "heard" else 1
            try:
                sent = billing.send_refund(hub, refund_id=refund_id)
                assert sent.status in ("DONE", "FAILED")
            except errors.ProviderError:
                bank.lose_answers = 0
        elif step == "return":
            bank.give_back("pi_1")
        elif step == "dispute":
            bank.dispute("pi_1", held)
        elif step == "come back":
            if "refund-" + str(refund_id) in bank.given:
                bank.come_back(f"refund-{refund_id}")
        else:
            bank.decide("pi_1", won=step == "won")
    letters, bank.letters = bank.letters, []
    assert bank.moved["pi_1"] >= 0
    orders = list(itertools.permutations(letters))
    if len(orders) > 24:
        orders = random.Random(len(letters)).sample(orders, 24)
    for order in orders:
        point = session.begin_nested()
        for told in order:
            billing.settle_gateway_event(hub, told)
            books_check.check(session)
            assert billing.settle_gateway_event(hub, told) == "DUPLICATE"
        if answer == "lost":
            billing.send_refund(hub, refund_id=refund_id)
        session.expire_all()
        books_check.check(session)
        kinds = [told.kind for told in order]
        assert (ours(session, "pi_1"), cash(session, house)) == (bank.moved["pi_1"],) * 2, kinds
        row = session.get_one(cash_models.RefundRow, refund_id)
        went = bank.given.get(f"refund-{refund_id}", {}).get("status")
        if went == "SENT":
            assert row.status == "DONE", kinds
        elif went == "FAILED" and "return" not in story:
            assert row.status == "FAILED", kinds
        point.rollback()
    start.rollback()


@pytest.mark.parametrize("trouble", ["return", "dispute"])
def test_the_bank_takes_the_payment_back_while_its_refund_is_on_the_wire(till, session, bank, trouble):
    """The hole this closes: between our question and its answer, the same money is taken back by the bank."""
    hub, house = till
    bank.pay("pi_1", 13068)
    billing.settle_gateway_event(hub, bank.letters.pop())
    refund_id = ask(hub, session, "pi_1", 3000, "r1")
    plain = bank.refund

    def refund(**asked):
        answer = plain(**asked)  # it went, and at once the rest is taken back and told before we hear of it
        bank.give_back("pi_1") if trouble == "return" else bank.dispute("pi_1", 10068)
        assert billing.settle_gateway_event(hub, bank.letters.pop()) == "APPLIED"
        return answer

    bank.refund = refund
    assert billing.send_refund(hub, refund_id=refund_id).status == "DONE"
    session.expire_all()
    books_check.check(session)
    assert cash(session, house) == bank.moved["pi_1"] == 0
    row = session.scalars(select(models.PaymentRow)).one()
    assert (row.refunded_cents, row.returned_cents) == (3000, 10068 if trouble == "return" else 0)


def test_a_refund_is_not_sent_once_the_payment_is_gone(till, session, bank):
    hub, house = till
    bank.pay("pi_1", 13068)
    billing.settle_gateway_event(hub, bank.letters.pop())
    refund_id = ask(hub, session, "pi_1", 3000, "r1")
    bank.give_back("pi_1")
    billing.settle_gateway_event(hub, bank.letters.pop())
    sent = billing.send_refund(hub, refund_id=refund_id)
    assert (sent.status, sent.failure_code, bank.refund_calls) == ("FAILED", "payment_returned", 0)
    assert cash(session, house) == 0


def test_money_that_left_twice_at_the_gateway_waits_for_a_person(till, session, bank):
    hub, house = till
    bank.pay("pi_1", 13068)
    billing.settle_gateway_event(hub, bank.letters.pop())
    bank.dispute("pi_1", 13068)
    bank.decide("pi_1", won=False)
    for told in bank.letters:
        billing.settle_gateway_event(hub, told)
    bank.write("payment.refunded", "pi_1", 5000)  # somebody gave it back at the gateway's own desk as well
    assert billing.settle_gateway_event(hub, bank.letters[-1]) == "PARKED"
    assert (
        session.scalars(select(models.PaymentEventRow.reason).order_by(models.PaymentEventRow.id.desc())).first()
        == "TWICE"
    )
    assert cash(session, house) == 0


def test_the_database_itself_refuses_a_payment_that_leaves_twice(till, session, bank):
    hub, _ = till
    bank.pay("pi_1", 13068)
    billing.settle_gateway_event(hub, bank.letters.pop())
    for change in ("refunded_cents = 13068, returned_cents = 1", "status = 'RETURNED'", "returned_cents = -1",
                   "refunded_cents = 13068"):  # fmt: skip
        with pytest.raises(IntegrityError, match="ck_payment_"), session.begin_nested():
            session.execute(text(f"UPDATE payment SET {change}"))


@pytest.mark.parametrize("seed", range(12))
def test_money_is_conserved_whatever_the_bank_does_and_tells(till, session, bank, seed):
    """Pay, refund, return, dispute; answers lost, letters late, doubled and shuffled: in the end, the same sums."""
    hub, house = till
    dice = random.Random(seed)
    waiting: list[ports.GatewayEvent] = []
    refunds: list[int] = []

    def deliver():
        waiting.extend(bank.letters)
        bank.letters = []
        dice.shuffle(waiting)
        for _ in range(dice.randint(0, len(waiting))):
            told = waiting.pop()
            billing.settle_gateway_event(hub, told)
            if dice.random() < 0.3:
                waiting.insert(0, told)

    for number in range(40):
        hub.clock.move(hours=1)
        bank.at = hub.now()
        busy = [i for i in bank.paid if i not in bank.over]
        free = [i for i in busy if i not in bank.held]
        pick = dice.choice(["pay", "pay", "ask", "ask", "send", "send", "return", "dispute", "decide", "fail"])
        if pick == "pay":
            bank.pay(f"pi_{number}", dice.randint(100, 20_000))
        elif pick == "ask":
            intent = dice.choice([*busy, "none"])
            row = session.scalars(select(models.PaymentRow).where(models.PaymentRow.external_id == intent)).first()
            if row is not None:
                try:
                    with session.begin_nested():
                        refunds.append(ask(hub, session, intent, dice.randint(1, row.amount_cents), f"r{number}"))
                except (errors.Refused, errors.Invalid):
                    pass
        elif pick == "send" and refunds:
            bank.lose_answers = dice.choice([0, 0, 1])
            with contextlib.suppress(errors.ProviderError):
                billing.send_refund(hub, refund_id=dice.choice(refunds))
            bank.lose_answers = 0
        elif pick == "return" and free:
            bank.give_back(dice.choice(free))
        elif pick == "dispute" and (able := [i for i in free if bank.moved[i] > 0 and f"dp_{i}" not in bank.forgotten]):
            intent = dice.choice(able)
            bank.forgotten.append(f"dp_{intent}")  # one dispute a payment: that is its name here
            bank.dispute(intent, dice.choice([bank.moved[intent], dice.randint(1, bank.moved[intent])]))
        elif pick == "decide" and bank.held:
            bank.decide(dice.choice(sorted(bank.held)), won=dice.random() < 0.5)
        elif pick == "fail":
            able = [k for k, g in bank.given.items() if g["status"] == "SENT" and g["intent"] in free]
            if able:
                bank.come_back(dice.choice(able))
        deliver()
        session.expire_all()
        books_check.check(session)
    waiting.extend(bank.letters)
    for told in [*waiting, *waiting]:
        billing.settle_gateway_event(hub, told)
    for refund_id in refunds:
        billing.send_refund(hub, refund_id=refund_id)  # what nobody knows of is asked for
    for told in bank.letters:
        billing.settle_gateway_event(hub, told)
    session.expire_all()
    books_check.check(session)
    differ = {i: (ours(session, i), bank.moved[i]) for i in bank.paid if ours(session, i) != bank.moved[i]}
    held = sum(bank.held.values())
    assert differ == {i: (bank.moved[i] + bank.held[i], bank.moved[i]) for i in bank.held}, differ
    assert cash(session, house) == sum(bank.moved.values())
    assert held == sum(
        row.held_cents
        for row in session.scalars(select(cash_models.ChargebackRow).where(cash_models.ChargebackRow.status == "OPEN"))
    )
    assert len(bank.paid) > 3
