"""When paying is hard: whether service may be shut off, and what helps."""

from collections.abc import Sequence

from actions import frame, menu
from billing import queries as billing
from core.accounts import queries as accounts
from core.compliance import operations as compliance
from core.ports import Choice
from core.programs import queries as programs


class Disconnection(frame.HubAction):
    """Says whether the rules would let us shut off service today, and which rule says so."""

    name_, needs = "action_disconnection", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account, point = ask.account(), ask.service_point()
        balance = billing.get_balance(ask.session, account_id=account.id, now=ask.now)
        plan = billing.get_arrangement(ask.session, account_id=account.id)
        disputes = billing.list_disputes(ask.session, account_id=account.id)
        customer = accounts.get_customer(ask.session, customer_id=account.customer_id)
        decision = compliance.evaluate(
            None,
            "DISCONNECT",
            {
                "jurisdiction": account.jurisdiction,
                "overdue": str(balance.overdue),
                "arrangement": plan is not None and plan.status == "ACTIVE",
                "disputed": any(dispute.status == "OPEN" for dispute in disputes),
            },
            ask.today,
        )
        if not point.connected:
            kind, offers = "billing.disconnected", ("pay_bill", "payment_plan", "financial_assistance")
        elif balance.overdue <= 0:
            kind, offers = "billing.disconnect_safe", ("check_balance", "set_up_autopay", "outage_status")
        else:
            kind, offers = "billing.disconnect_risk", ("pay_bill", "payment_plan", "financial_assistance")
        ask.say(
            kind,
            choices=(*menu.wishes(*offers), frame.person()),
            overdue=balance.overdue,
            amount=balance.amount,
            allowed=decision.allowed,
            rule=decision.rule.rpartition(".")[2],
            citation=decision.citation,
            medical=customer.medical_equipment,
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
