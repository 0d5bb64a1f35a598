"""What is owed and why: balance, bills, payments, fees. The forms about money are in billing_forms."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from actions import forms, frame, menu, usage
from billing import operations as charging
from billing import queries as billing
from billing import views
from core import errors, periods
from core.accounts import queries as accounts
from core.conversations import operations as conversing
from core.ports import Choice


class CheckBalance(frame.HubAction):
    name_, needs = "action_check_balance", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        balance = billing.get_balance(ask.session, account_id=account.id, now=ask.now)
        if balance.amount > 0:
            offers = ["pay_bill", "explain_bill"]
            offers.insert(1, "payment_plan") if balance.overdue > 0 else offers.append("view_bill")
            ask.say(
                "billing.balance_owed",
                choices=menu.wishes(*offers),
                amount=balance.amount,
                overdue=balance.overdue,
                due_on=balance.due_on,
                autopay=balance.autopay,
                pending=balance.pending_payments,
            )
        else:
            ask.say(
                "billing.balance_clear",
                choices=menu.wishes("view_bill", "usage_forecast"),
                credit=-balance.amount,
                last_bill=balance.last_bill_amount,
                pending=balance.pending_payments,
            )
        return self.stop()


class ViewBill(frame.HubAction):
    name_, needs = "action_view_bill", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        bills = billing.list_bills(ask.session, account_id=account.id, limit=4)
        if not bills:
            ask.say("billing.no_bill", choices=menu.wishes("view_usage", "usage_forecast"))
            return self.stop()
        bill = bills[0]
        ask.say(
            "billing.bill",
            choices=menu.wishes("explain_bill", "pay_bill" if bill.open_amount > 0 else "view_usage", "bill_dispute"),
            **bill_data(bill),
            open=bill.open_amount,
            replaces=_replaced_by(ask, bill),
            link=f"{ask.link_base}/portal/bills/{bill.id}.pdf",
            earlier=[{"on": b.issued_on, "total": b.total} for b in bills[1:]],
        )
        return self.stop()


class ExplainBill(frame.HubAction):
    """Why the bill is what it is: what it is made of, and what changed since the one before, to the cent."""

    name_, needs = "action_explain_bill", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        if not billing.list_bills(ask.session, account_id=account.id, limit=1):
            ask.say("billing.no_bill", choices=menu.wishes("view_usage", "usage_forecast"))
            return self.stop()
        why = billing.explain_bill(ask.session, account_id=account.id)
        ask.say(
            "billing.explanation",
            choices=menu.wishes("high_bill", "view_usage", "bill_dispute"),
            **explanation_data(why),
        )
        return self.stop()


class HighBill(frame.HubAction):
    """The same question asked in alarm: the one big reason first, then what can be done about it."""

    name_, needs = "action_high_bill", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        if not billing.list_bills(ask.session, account_id=account.id, limit=1):
            ask.say("billing.no_bill", choices=menu.wishes("view_usage", "usage_forecast"))
            return self.stop()
        why = billing.explain_bill(ask.session, account_id=account.id)
        told = explanation_data(why)
        rising = [driver for driver in told["drivers"] if driver["amount"] > 0]
        ask.say(
            "billing.high_bill",
            choices=menu.wishes("compare_tariffs", "savings_tips", "payment_plan"),
            **told,
            picture=usage.picture(ask, "DAYS", periods.Days(why.bill.starts_on, why.bill.ends_on)),
            main=max(rising, key=lambda driver: driver["amount"], default=None),
        )
        for tip in _tips(ask, account.id)[:1]:
            ask.say("usage.tip", code=tip.code, tip=dict(tip.data), saving_year=tip.saving_year)
        return self.stop()


class PayBill(frame.HubAction):
    """Gives a link to the hosted payment page: card digits never pass through a conversation."""

    name_, needs = "action_pay_bill", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        balance = billing.get_balance(ask.session, account_id=account.id, now=ask.now)
        asked_for = forms.read_amount(ask) if ask.entity("amount") is not None else None
        if asked_for is None and balance.amount <= 0:
            ask.say(
                "billing.nothing_to_pay",
                choices=menu.wishes("view_bill", "prepay"),
                credit=-balance.amount,
                pending=balance.pending_payments,
            )
            return self.stop()
        say_budget(ask, account.id)
        say_pay_link(ask, account, asked_for, balance)
        return self.stop()


class PaymentProblem(frame.HubAction):
    """What became of the latest payments, and what to do when one failed."""

    name_, needs = "action_payment_problem", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        payments = billing.list_payments(ask.session, account_id=account.id, limit=3)
        if not payments:
            ask.say("billing.no_payment", choices=(*menu.wishes("pay_bill", "check_balance"), frame.person()))
            return self.stop()
        latest = payments[0]
        offers = ("pay_bill",) if latest.status == "FAILED" else ("check_balance",)
        ask.say(
            "billing.payment",
            choices=(*menu.wishes(*offers), frame.person()),
            status=latest.status,
            amount=latest.amount,
            at=latest.received_at,
            failure=latest.failure_code,
            refunded=latest.refunded,
            earlier=[{"amount": p.amount, "at": p.received_at, "status": p.status} for p in payments[1:]],
        )
        return self.stop()


class LateFee(frame.HubAction):
    name_, needs = "action_late_fee", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        status = billing.late_fee_status(ask.session, account_id=account.id, now=ask.now)
        ask.say(
            "billing.late_fee",
            choices=menu.wishes("pay_bill", "payment_plan", "bill_dispute"),
            charged=status.charged,
            next_amount=status.next_amount,
            next_on=status.next_on,
            blocked_by=status.blocked_by,
            rule=status.rule,
        )
        return self.stop()


class Prepay(frame.HubAction):
    """Paying ahead: how long a credit lasts at this home's usual cost of a day."""

    name_, needs = "action_prepay", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        status = billing.prepay_status(ask.session, account_id=account.id, now=ask.now)
        ask.say(
            "billing.prepay",
            choices=(*(_pay_ahead(amount) for amount in (50, 100)), menu.wish("usage_alerts")),
            credit=status.credit,
            daily_cost=status.daily_cost,
            days_left=status.days_left,
        )
        return self.stop()


def say_pay_link(ask: frame.Ask, account: accounts.Account, amount: Decimal | None, balance: views.Balance) -> None:
    """This will open a payment link and say it; on the phone it is sent as a text message, if one may be sent."""
    if amount is not None and amount <= 0:
        raise errors.Invalid("payment.amount", amount=amount)
    link = charging.open_payment_link(ask.session, account_id=account.id, amount=amount, key=ask.key, now=ask.now)
    url = f"{ask.link_base}{link.path}"
    told = {"amount": link.amount, "link": url, "expires_at": link.expires_at}
    texted = None
    payable = None
    if ask.speaker.channel == "VOICE":
        # what the call may take a card for: the hub knows the link's account and amount by it
        payable = link.token if ask.hub.settings.voice_pay_connector else None
        texted = text_instead(ask, account.customer_id, "billing.pay_link_text", told)
    ask.say(
        "billing.pay_link",
        choices=menu.wishes("payment_plan", "set_up_autopay") if not balance.autopay else (),
        **told,
        payable=payable,
        texted=texted is not None,
        autopay=balance.autopay,
        autopay_on=balance.due_on if balance.autopay else None,
        pending=balance.pending_payments,
    )


def say_budget(ask: frame.Ask, account_id: int) -> bool:
    """This will say how a budget stands, if the account is on one."""
    held = billing.find_budget(ask.session, account_id=account_id, now=ask.now)
    if held is None or held.status != "ACTIVE":
        return False
    ask.say(
        "billing.budget",
        choices=menu.wishes("view_bill", "check_balance"),
        level=held.level,
        next_level=held.next_level,
        next_on=held.next_level_from,
        balance=held.balance,
        ends_on=held.ends_on,
    )
    return True


def text_instead(ask: frame.Ask, customer_id: int, kind: str, data: dict[str, Any]) -> int | None:
    """This will send by text message what cannot be said aloud; None when no message may be sent."""
    return conversing.notify_customer(
        ask.session,
        customer_id=customer_id,
        kind=kind,
        data=frame.plain(data),
        purpose="SERVICE",
        channels=("SMS",),
        key=f"{ask.key}:text",
        now=ask.now,
        house=frame.house(ask.hub),
    )


def _replaced_by(ask: frame.Ask, bill: views.Bill) -> str | None:
    """The number of the cancelled bill that this one stands in the place of; a first version replaces none."""
    note = billing.list_replaced(ask.session, bill_ids=[bill.id]).get(bill.id) if bill.version > 1 else None
    return note.bill_number if note else None


def bill_data(bill: views.Bill) -> dict[str, Any]:
    """This will give what is said of a bill. `last_day` is the last day in it."""
    return {
        "number": bill.number,
        "starts_on": bill.starts_on,
        "last_day": bill.ends_on - timedelta(days=1),
        "days": bill.days,
        "kwh": bill.kwh,
        "total": bill.total,
        "due_on": bill.due_on,
        "estimated": bill.estimated,
    }


def explanation_data(why: views.Explanation) -> dict[str, Any]:
    """This will give what is said of a bill's reasons: drivers by size, the largest lines, the busiest day."""
    drivers = sorted(why.drivers, key=lambda driver: abs(driver.amount), reverse=True)
    busiest = why.busiest_day
    return {
        **bill_data(why.bill),
        "previous_total": why.previous.total if why.previous else None,
        "difference": why.difference,
        "drivers": [{"kind": d.kind, "amount": d.amount} for d in drivers if d.amount != 0],
        "lines": [{"component": line.component, "amount": line.amount} for line in why.lines[:3]],
        "busiest": {"day": busiest.day, "kwh": busiest.kwh, "amount": busiest.amount} if busiest else None,
        "hours": why.hours,  # None where energy did not go by the price of the hour
        "daily_kwh": why.daily_kwh,
        "previous_daily_kwh": why.previous_daily_kwh,
    }


def _tips(ask: frame.Ask, account_id: int) -> Sequence[views.Tip]:
    try:
        return billing.list_tips(ask.session, account_id=account_id, now=ask.now)
    except errors.NotFound:
        return ()  # too little is known of this home to advise it


def _pay_ahead(amount: int) -> Choice:
    return Choice("choice.pay_amount", '/pay_bill{"amount":"' + str(amount) + '"}', {"amount": str(amount)})


ACTIONS = (CheckBalance, ViewBill, ExplainBill, HighBill, PayBill, PaymentProblem, LateFee, Prepay)
