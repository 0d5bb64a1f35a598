"""The forms about money: a payment plan, autopay, paperless bills, a disputed bill."""

from collections.abc import Sequence
from decimal import Decimal

from actions import billing as money
from actions import forms, frame, menu
from billing import operations as charging
from billing import queries as billing
from billing import views
from core import errors
from core.accounts import operations as keeping
from core.ports import Choice

REASONS = ("TOO_HIGH", "METER", "PAYMENT_MISSING", "WRONG_PLAN", "OTHER")

# --- a payment plan -----------------------------------------------------------------------------------------


class PaymentPlan(frame.HubAction):
    name_, needs, form = "action_payment_plan", 2, "payment_plan_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        current = billing.get_arrangement(ask.session, account_id=account.id)
        if current is not None and current.status == "ACTIVE":
            coming = current.next_instalment
            ask.say(
                "billing.plan_current",
                choices=(*menu.wishes("pay_bill", "check_balance"), frame.person()),
                total=current.total,
                paid=current.paid,
                left=current.total - current.paid,
                next_on=coming.due_on if coming else None,
                next_amount=coming.amount if coming else None,
            )
            return self.stop()
        balance = billing.get_balance(ask.session, account_id=account.id, now=ask.now)
        if balance.amount <= 0:
            if not money.say_budget(ask, account.id):
                ask.say(
                    "billing.plan_not_needed",
                    choices=menu.wishes("view_bill", "usage_forecast"),
                    budget=budget_offer(ask, account.id),
                    budget_link=f"{ask.link_base}/portal/budget",
                )
            return self.stop()
        plan_offers(ask)  # Refused says why there may be none, before any question is asked
        ask.say("billing.plan_start", amount=balance.amount, overdue=balance.overdue)
        return self.go()


class AskPlanMonths(forms.Question):
    form, slot, subject = "payment_plan_form", "plan_months", "payment_plan"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        offers = plan_offers(ask)
        choices = [
            forms.choice(
                "choice.plan_months",
                str(len(offer.instalments)),
                months=len(offer.instalments),
                amount=offer.instalments[0].amount,
                due_on=offer.instalments[0].due_on,
            )
            for offer in offers
        ]
        later = next((offer.instalments[0].due_on for offer in offers if len(offer.instalments) == 1), None)
        ask.say(
            "billing.plan_ask_months",
            choices=choices,
            total=offers[0].total,
            most=offers[0].max_instalments,
            until=later,
        )
        return []


class CheckPaymentPlan(forms.Check):
    form, subject, hint = "payment_plan_form", "payment_plan", "forms.hint_number"

    def check_plan_months(self, ask: frame.Ask) -> int | None:
        months = forms.read_number(ask)
        if months is None:
            return None
        preview(ask, months)  # Invalid or Refused says why not
        return months


class AskPlanConfirm(forms.Question):
    form, slot, subject = "payment_plan_form", "confirm", "payment_plan"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        plan = preview(ask, int(ask.slot("plan_months") or 0))
        ask.say(
            "billing.plan_confirm",
            choices=forms.yes_no_choices(),
            total=plan.total,
            months=len(plan.instalments),
            instalments=[{"due_on": i.due_on, "amount": i.amount} for i in plan.instalments],
        )
        return []


class SubmitPaymentPlan(forms.Submit):
    name_, needs, form, subject = "action_submit_payment_plan", 2, "payment_plan_form", "payment_plan"

    def submit(self, ask: frame.Ask) -> None:
        account_id, months = ask.account().id, int(ask.slot("plan_months") or 0)
        if months == 1:
            opened = charging.open_extension(ask.session, account_id=account_id, until=None, key=ask.key, now=ask.now)
        else:
            opened = charging.open_arrangement(
                ask.session, account_id=account_id, instalments=months, key=ask.key, now=ask.now
            )
        first = opened.instalments[0]
        ask.say(
            "billing.plan_opened",
            choices=menu.wishes("pay_bill", "set_up_autopay"),
            total=opened.total,
            months=len(opened.instalments),
            first_on=first.due_on,
            first_amount=first.amount,
        )


def budget_offer(ask: frame.Ask, account_id: int) -> Decimal | None:
    """This will work out what a level amount would be; None where there may be none, or too little is known."""
    try:
        return charging.preview_budget(ask.session, account_id=account_id, now=ask.now).level
    except (errors.Refused, errors.NotFound):
        return None


def preview(ask: frame.Ask, months: int) -> views.ArrangementPreview:
    """This will work out a plan over so many months, or, for one, more time; Invalid or Refused when none may be."""
    account_id = ask.account().id
    if months == 1:
        return charging.preview_extension(ask.session, account_id=account_id, until=None, now=ask.now)
    return charging.preview_arrangement(ask.session, account_id=account_id, instalments=months, now=ask.now)


def plan_offers(ask: frame.Ask) -> list[views.ArrangementPreview]:
    """This will work out what is worth offering: a quarter, half a year, the longest the rules allow, and more time.

    Refused when there may be neither.
    """
    try:
        more_time = [preview(ask, 1)]
    except errors.Refused:
        more_time = []
    try:
        first = preview(ask, 2)
    except errors.Refused:
        if not more_time:
            raise
        return more_time
    months = sorted({n for n in (3, 6, first.max_instalments) if 2 <= n <= first.max_instalments})
    return [*([preview(ask, n) for n in months[-3:]] or [first]), *more_time]


# --- autopay ------------------------------------------------------------------------------------------------


class SetUpAutopay(frame.HubAction):
    """Starts the form that turns autopay on, or, when it is on and the customer chose so, off."""

    name_, needs, form = "action_set_up_autopay", 2, "autopay_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        balance = billing.get_balance(ask.session, account_id=account.id, now=ask.now)
        if balance.autopay and ask.choice != "OFF":
            off = Choice("choice.turn_off", '/set_up_autopay{"choice":"OFF"}')
            ask.say("billing.autopay_is_on", choices=(off,), due_on=balance.due_on, amount=balance.amount)
            return self.stop()
        if not balance.autopay and not billing.list_saved_methods(ask.session, account_id=account.id):
            ask.say("billing.autopay_no_method", choices=menu.wishes("pay_bill"))
            money.say_pay_link(ask, account, None, balance) if balance.amount > 0 else None
            return self.stop()
        return self.go()


class AskAutopayConfirm(forms.Question):
    form, slot, subject = "autopay_form", "confirm", "set_up_autopay"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        balance = billing.get_balance(ask.session, account_id=account.id, now=ask.now)
        methods = billing.list_saved_methods(ask.session, account_id=account.id)
        ask.say(
            "billing.autopay_confirm",
            choices=forms.yes_no_choices(),
            on=balance.autopay,
            method=methods[0].kind if methods else None,
            last4=methods[0].last4 if methods else None,
        )
        return []


class CheckAutopay(forms.Check):
    form, subject = "autopay_form", "set_up_autopay"


class SubmitAutopay(forms.Submit):
    name_, needs, form, subject = "action_submit_autopay", 2, "autopay_form", "set_up_autopay"

    def submit(self, ask: frame.Ask) -> None:
        account = ask.account()
        enabled = not forms.last_asked(ask, "billing.autopay_confirm").get("on", False)
        methods = billing.list_saved_methods(ask.session, account_id=account.id)
        if enabled and not methods:
            raise errors.Refused("autopay.no_method")
        charging.set_autopay(
            ask.session,
            account_id=account.id,
            enabled=enabled,
            saved_method_id=methods[0].id if enabled else None,
            key=ask.key,
            now=ask.now,
        )
        ask.say("billing.autopay_done", choices=menu.wishes("check_balance", "paperless_billing"), on=enabled)


# --- paperless bills ----------------------------------------------------------------------------------------


class PaperlessBilling(frame.HubAction):
    """Starts the form that turns paperless bills on, or, when they are and the customer chose so, off."""

    name_, needs, form = "action_paperless_billing", 2, "paperless_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        if ask.account().paperless and ask.choice != "OFF":
            off = Choice("choice.turn_off", '/paperless_billing{"choice":"OFF"}')
            ask.say("billing.paperless_is_on", choices=(off, menu.wish("view_bill")))
            return self.stop()
        return self.go()


class AskPaperlessConfirm(forms.Question):
    form, slot, subject = "paperless_form", "confirm", "paperless_billing"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        ask.say(
            "billing.paperless_confirm",
            choices=forms.yes_no_choices(),
            on=account.paperless,
            address=account.mailing_address,
        )
        return []


class CheckPaperless(forms.Check):
    form, subject = "paperless_form", "paperless_billing"


class SubmitPaperless(forms.Submit):
    name_, needs, form, subject = "action_submit_paperless", 2, "paperless_form", "paperless_billing"

    def submit(self, ask: frame.Ask) -> None:
        account = ask.account()
        enabled = not forms.last_asked(ask, "billing.paperless_confirm").get("on", False)
        keeping.set_paperless(ask.session, account_id=account.id, enabled=enabled, now=ask.now)
        ask.say("billing.paperless_done", choices=menu.wishes("view_bill", "set_up_autopay"), on=enabled)


# --- a disputed bill ----------------------------------------------------------------------------------------


class BillDispute(frame.HubAction):
    name_, needs, form = "action_bill_dispute", 2, "dispute_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        bill = latest_bill(ask)
        if bill is None:
            ask.say("billing.no_bill", choices=menu.wishes("view_usage", "usage_forecast"))
            return self.stop()
        ask.say("billing.dispute_start", total=bill.total, issued_on=bill.issued_on)
        return self.go()


class AskDisputeReason(forms.Question):
    form, slot, subject = "dispute_form", "dispute_reason", "bill_dispute"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("billing.dispute_ask_reason", choices=reason_choices())
        return []


class CheckDispute(forms.Check):
    form, subject, hint = "dispute_form", "bill_dispute", "forms.hint_words"
    free_text = frozenset(("dispute_reason",))

    def check_dispute_reason(self, ask: frame.Ask) -> str | None:
        """A button gives its code; free words are kept as they are: they are the customer's own account of it."""
        chosen = forms.read_choice(ask, reason_choices()) if ask.choice or ask.text.isdigit() else None
        return chosen or forms.read_text(ask)


class AskDisputeConfirm(forms.Question):
    form, slot, subject = "dispute_form", "confirm", "bill_dispute"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        bill = latest_bill(ask)
        if bill is None:
            raise errors.NotFound("bill.unknown")
        reason = str(ask.slot("dispute_reason"))
        ask.say(
            "billing.dispute_confirm",
            choices=forms.yes_no_choices(),
            total=bill.total,
            issued_on=bill.issued_on,
            code=reason if reason in REASONS else None,
            words=None if reason in REASONS else reason,
        )
        return []


class SubmitDispute(forms.Submit):
    name_, needs, form, subject = "action_submit_dispute", 2, "dispute_form", "bill_dispute"

    def submit(self, ask: frame.Ask) -> None:
        bill = latest_bill(ask)
        if bill is None:
            raise errors.NotFound("bill.unknown")
        dispute = charging.open_dispute(
            ask.session,
            account_id=bill.account_id,
            bill_id=bill.id,
            reason=str(ask.slot("dispute_reason")),
            key=ask.key,
            now=ask.now,
        )
        ask.say(
            "billing.dispute_opened",
            choices=(*menu.wishes("request_status"), frame.person()),
            number=dispute.number,
            total=bill.total,
        )


def latest_bill(ask: frame.Ask) -> views.Bill | None:
    """This will give the newest bill the customer has seen, if any."""
    bills = billing.list_bills(ask.session, account_id=ask.account().id, limit=1)
    return bills[0] if bills else None


def reason_choices() -> tuple[Choice, ...]:
    """This will give the common reasons as quick replies."""
    return tuple(forms.choice(f"billing.reason.{code}", code) for code in REASONS)


ACTIONS = (
    PaymentPlan,
    AskPlanMonths,
    CheckPaymentPlan,
    AskPlanConfirm,
    SubmitPaymentPlan,
    SetUpAutopay,
    AskAutopayConfirm,
    CheckAutopay,
    SubmitAutopay,
    PaperlessBilling,
    AskPaperlessConfirm,
    CheckPaperless,
    SubmitPaperless,
    BillDispute,
    AskDisputeReason,
    CheckDispute,
    AskDisputeConfirm,
    SubmitDispute,
)
