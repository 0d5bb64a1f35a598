"""When paying is hard: whether service may be shut off, and what helps."""

from collections.abc import Sequence

from actions import frame, menu
from billing import queries as billing
from core.accounts import queries as accounts
from core.ports import Choice
from core.programs import queries as programs


class Disconnection(frame.HubAction):
    """Says whether the rules would let us shut off service today, and every rule that stands against it."""

    name_, needs = "action_disconnection", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account, point = ask.account(), ask.service_point()
        balance = billing.get_balance(ask.session, account_id=account.id, now=ask.now)
        verdict = billing.may_disconnect(ask.session, account_id=account.id, now=ask.now)
        customer = accounts.get_customer(ask.session, customer_id=account.customer_id)
        held = billing.current_medical_hold(ask.session, account_id=account.id, on=verdict.on)
        if not point.connected:
            kind, offers = "billing.disconnected", ("pay_bill", "payment_plan", "financial_assistance")
        elif verdict.overdue <= 0:
            kind, offers = "billing.disconnect_safe", ("check_balance", "set_up_autopay", "outage_status")
        else:
            kind, offers = "billing.disconnect_risk", ("pay_bill", "payment_plan", "financial_assistance")
        ask.say(
            kind,
            choices=(*menu.wishes(*offers), frame.person()),
            overdue=verdict.overdue,
            amount=balance.amount,
            allowed=verdict.allowed,
            reasons=[block.name for block in verdict.blocks],
            warned_on=verdict.facts.get("notice_on"),
            back_by=billing.reconnects_by(ask.session, account_id=account.id),
            citation=verdict.citation,
            medical=customer.medical_equipment,
            held_through=held.through if held else None,
        )
        return self.stop()


class FinancialAssistance(frame.HubAction):
    """The assistance programs open to this kind of customer; knowing who asks adds what is past due."""

    name_ = "action_financial_assistance"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        kind, overdue = "RESIDENTIAL", None
        if ask.speaker.level >= 2:
            account = ask.account()
            kind = account.customer_kind
            overdue = billing.get_balance(ask.session, account_id=account.id, now=ask.now).overdue
        offered = [
            program
            for program in programs.list_programs(ask.session, customer_kind=kind, on=ask.today)
            if program.kind == "ASSISTANCE"
        ]
        choices = [Choice(program.name_key, '/enroll_program{"choice":"' + program.code + '"}') for program in offered]
        ask.say(
            "billing.assistance",
            choices=(*choices[:3], *menu.wishes("payment_plan"), frame.person()),
            programs=[{"name": program.name_key, "about": program.about_key} for program in offered],
            overdue=overdue,
        )
        return self.stop()


ACTIONS = (Disconnection, FinancialAssistance)
