"""After any sequence of bills, payments, returns, refunds, disputes, write-offs and replays the books hold."""

import random
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select

from billing import cash_models, models, queries
from billing import operations as billing
from core import errors, money, ports
from tests.integration.billing import books_check

AT = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
TERMS = (date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1))


class Walk:
    """A random customer, gateway and staff over one account; every step may be refused, none may break the books."""

    def __init__(self, hub, session, house, seed):
        self.hub, self.session, self.house, self.random = hub, session, house, random.Random(seed)
        self.told: list[ports.GatewayEvent] = []
        self.done: list[str] = []
        self.count = 0

    def step(self) -> None:
        name = self.random.choice([n for n in dir(self) if n.startswith("do_")])
        self.hub.clock.move(hours=self.random.randint(1, 60))
        try:
            with self.session.begin_nested():
                getattr(self, name)()
            self.done.append(name)
        except (errors.Refused, errors.Invalid, errors.NotFound) as refused:
            self.done.append(f"{name}: {refused.code}")
        except errors.ProviderError:
            self.done.append(f"{name}: provider")
        self.session.commit()

    def some(self, row, *where):
        found = self.session.scalars(select(row).where(*where).order_by(row.id)).all()
        if not found:
            raise errors.NotFound("nothing")
        return self.random.choice(found)

    def tell(self, kind, external_id, cents, **more):
        self.count += 1
        dispute = more.pop("dispute", None)
        metadata = {"reference": f"account:{self.house.account_id}"} | ({"dispute": dispute} if dispute else {})
        self.told.append(
            ports.GatewayEvent(
                f"evt_{self.count}", f"payment.{kind}", external_id, money.from_cents(cents),
                self.random.choice(["USD"] * 9 + ["EUR"]), metadata, at=self.hub.now(), **more,
            )
        )  # fmt: skip
        if self.random.random() < 0.8:  # the rest is told later, in any order
            billing.settle_gateway_event(self.hub, self.told[-1])

    def do_bill(self):
        report = billing.run_bills(self.hub, period_end_on=self.random.choice(TERMS), now=self.hub.now())
        billing.issue_bills(self.hub, run_id=report.run_id, now=self.hub.now())

    def do_cancel(self):
        bill = self.some(models.BillRow, models.BillRow.status == "ISSUED")
        billing.cancel_bill(self.session, bill_id=bill.id, actor="staff:ana", reason="wrong", now=self.hub.now())

    def do_pay(self):
        self.count += 1
        method = self.random.choice(["card", "us_bank_account"])
        cents = self.random.randint(100, 30_000)
        for kind in self.random.choice([["succeeded"], ["processing", "succeeded"], ["processing", "failed"]]):
            code = self.random.choice(["insufficient_funds", "account_closed"]) if kind == "failed" else None
            self.tell(kind, f"pi_{self.count}", cents, method=method, failure_code=code)

    do_pay_again = do_pay_more = do_pay

    def do_return(self):
        row = self.some(models.PaymentRow)
        self.tell("failed", row.external_id, row.amount_cents, method=row.method, failure_code="insufficient_funds")

    def do_gateway_refund(self):
        row = self.some(models.PaymentRow)
        self.tell("refunded", row.external_id, self.random.randint(1, row.amount_cents))

    def do_ask_refund(self):
        row = self.some(self.random.choice([models.PaymentRow, cash_models.CreditRow]))
        which = {"payment_id" if isinstance(row, models.PaymentRow) else "credit_id": row.id}
        amount = self.random.choice([None, money.from_cents(self.random.randint(1, row.amount_cents))])
        billing.request_refund(
            self.session, **which, amount=amount, reason="x", actor=self.random.choice(["ana", "bo"]),
            key=f"r{self.random.randint(1, 8)}", now=self.hub.now(),
        )  # fmt: skip

    def do_decide_refund(self):
        row = self.some(cash_models.RefundRow, cash_models.RefundRow.status == "REQUESTED")
        billing.decide_refund(
            self.session, refund_id=row.id, approve=self.random.random() < 0.8,
            actor=self.random.choice(["ana", "bo"]), now=self.hub.now(),
        )  # fmt: skip

    def do_send_refund(self):
        row = self.some(cash_models.RefundRow, cash_models.RefundRow.status == "APPROVED")
        self.hub.payments.lose_answers = self.random.choice([0, 0, 1])
        billing.send_refund(self.hub, refund_id=row.id)

    def do_dispute(self):
        row = self.some(models.PaymentRow)
        part = self.random.choice([row.amount_cents, self.random.randint(1, row.amount_cents)])
        self.tell("disputed", row.external_id, part, dispute=f"dp_{row.id}")

    def do_end_dispute(self):
        row = self.some(models.PaymentRow)
        found = self.session.scalars(
            select(cash_models.ChargebackRow).where(cash_models.ChargebackRow.payment_id == row.id)
        ).first()
        cents = found.amount_cents if found else row.amount_cents
        self.tell(self.random.choice(["dispute_won", "dispute_lost"]), row.external_id, cents, dispute=f"dp_{row.id}")

    def do_replay(self):
        if self.told:
            billing.settle_gateway_event(self.hub, self.random.choice(self.told))

    do_replay_more = do_replay

    def do_write_off(self):
        key = f"w{self.random.randint(1, 3)}"
        billing.write_off(
            self.session, account_id=self.house.account_id, reason="gone", actor="ana", key=key, now=self.hub.now()
        )

    def do_credit(self):
        billing.give_credit(
            self.session, account_id=self.house.account_id, kind=self.random.choice(["GOODWILL", "OUTAGE"]),
            amount=money.from_cents(self.random.randint(1, 5000)), reason="sorry", actor="ana",
            key=f"c{self.random.randint(1, 6)}", now=self.hub.now(),
        )  # fmt: skip

    def do_deposit(self):
        billing.charge_deposit(
            self.session, account_id=self.house.account_id, amount=Decimal("150.00"), rule="x",
            on=self.hub.now().date(), key=f"d{self.random.randint(1, 2)}", now=self.hub.now(),
        )  # fmt: skip

    def do_return_deposit(self):
        row = self.some(cash_models.DepositRow)
        billing.return_deposit(self.session, deposit_id=row.id, actor="ana", now=self.hub.now())

    def do_waive(self):
        row = self.some(models.ChargeRow)
        billing.waive_charge(self.session, charge_id=row.id, actor="ana", reason="first time", now=self.hub.now())

    def do_crash(self):
        """A process that dies in the middle of its work has done nothing."""
        point, before = self.session.begin_nested(), len(self.told)
        try:
            self.do_pay()
        finally:
            point.rollback()
        del self.told[before:]


@pytest.mark.parametrize("seed", range(5))
def test_the_books_hold_after_anything(hub, session, make_house, seed):
    house = make_house(starts_on=date(2026, 7, 1))
    hub.clock.at = AT
    walk = Walk(hub, session, house, seed)
    for number in range(50):
        walk.step()
        session.expire_all()
        try:
            books_check.check(session)
        except Exception as broken:
            raise AssertionError(f"seed {seed}, step {number}: {walk.done[-6:]}: {broken}") from broken
    # everything that was held back is told at last, twice and in any order
    late = walk.told * 2
    walk.random.shuffle(late)
    for event in late:
        billing.settle_gateway_event(hub, event)
    session.expire_all()
    books_check.check(session)
    shown = queries.get_balance(session, account_id=house.account_id, now=hub.now()).amount
    assert -1_000_000 < shown < 1_000_000
    plain = {step.partition(":")[0] for step in walk.done if ":" not in step}
    assert len(plain) >= 8, plain  # the walk did really go somewhere
