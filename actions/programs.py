"""Using less: tips from the account's own usage, programs and who may join them, enrolling, rebates."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from actions import asked, forms, frame, menu, plans
from billing import queries as billing
from billing import views
from core import errors, wording
from core.accounts import queries as accounts
from core.ports import Choice
from core.programs import operations as joining
from core.programs import queries as programs

_TOLD = 4  # tips at once
_BUSINESS = ("business", "company", "commercial", "office", "shop", "negocio", "negocios", "empresa", "comercio")


@dataclass(frozen=True)
class Fit:
    """A program and how this account stands to it."""

    program: programs.Program
    standing: str  # "OPEN", "DECLARE" (a word of the customer's is needed), "IN", "ASKED", "TARIFF"

    @property
    def joinable(self) -> bool:
        return self.standing in ("OPEN", "DECLARE")


class SavingsTips(frame.HubAction):
    """What would save most in this home, each with its yearly saving; a stranger gets what holds for any home."""

    name_ = "action_savings_tips"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        if ask.speaker.level < 2:
            if ask.speaker.recognised_customer_id is not None or ask.choice == "MINE":
                raise errors.Refused("identity.unverified")
            mine = Choice("choice.my_tips", '/savings_tips{"choice":"MINE"}')
            ask.say("programs.tips_general", choices=(mine, *menu.wishes("list_programs")))
            return self.stop()
        tips = own_tips(ask)
        if not tips:
            few = menu.wishes("list_programs", "view_usage")
            if not plans.say_cheap_hours(ask, few):
                ask.say("programs.tips_none", choices=few)
            return self.stop()
        plans.say_cheap_hours(ask)
        better = any(tip.code == "better_plan" for tip in tips)
        ask.say(
            "programs.tips",
            choices=menu.wishes("compare_tariffs" if better else "view_usage", "list_programs", "usage_alerts"),
            tips=[{"code": tip.code, "tip": dict(tip.data), "saving_year": tip.saving_year} for tip in tips[:_TOLD]],
        )
        return self.stop()


class ListPrograms(frame.HubAction):
    """The programs of the season; for a verified account, those it may join and those it is in."""

    name_ = "action_list_programs"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        if ask.speaker.level >= 2:
            fits = own_fits(ask)
        else:
            words = forms.fold(ask.text).split()
            kind = "BUSINESS" if any(word in words for word in _BUSINESS) else "RESIDENTIAL"
            offered = programs.list_programs(ask.session, customer_kind=kind, on=ask.today)
            fits = [Fit(program, "DECLARE" if program.requires else "OPEN") for program in offered]
        if not fits:
            ask.say("programs.none", choices=menu.wishes("savings_tips"))
            return self.stop()
        joinable = [fit.program for fit in fits if fit.joinable]
        ask.say(
            "programs.list",
            choices=(*(_join(program) for program in joinable[:3]), *menu.wishes("rebate_status")),
            programs=[
                {
                    "name": fit.program.name_key,
                    "about": fit.program.about_key,
                    "rebate": fit.program.rebate_amount,
                    "standing": fit.standing,
                }
                for fit in fits
            ],
            joinable=len(joinable),
        )
        return self.stop()


class EnrollProgram(frame.HubAction):
    name_, needs, form = "action_enroll_program", 2, "enroll_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        fits = own_fits(ask)
        wanted = asked.choice(ask, "enroll_program")
        named = next((fit for fit in fits if fit.program.code == wanted), None)
        if wanted is None:
            named = _named(ask, fits)
        if named is not None:
            refuse_unfit(named)
            return self.go(program_choice=named.program.code)
        if not any(fit.joinable for fit in fits):
            ask.say("programs.none_left", choices=menu.wishes("savings_tips", "rebate_status"))
            return self.stop()
        return self.go()


class AskProgram(forms.Question):
    form, slot, subject = "enroll_form", "program_choice", "enroll_program"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        fits = [fit for fit in own_fits(ask) if fit.joinable]
        ask.say("programs.ask_which", choices=program_choices(fits))
        return []


class CheckEnroll(forms.Check):
    form, subject, hint = "enroll_form", "enroll_program", "forms.hint_choice"

    def check_program_choice(self, ask: frame.Ask) -> str | None:
        return forms.read_choice(ask, program_choices([fit for fit in own_fits(ask) if fit.joinable]))


class AskEnrollConfirm(forms.Question):
    """Where a program asks for a declaration, the yes to this question is it: the question says so."""

    form, slot, subject = "enroll_form", "confirm", "enroll_program"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        fit = _chosen(ask)
        customer = ask.customer()
        needed = [name for name in fit.program.requires if not (name == "MEDICAL" and customer.medical_equipment)]
        ask.say(
            "programs.enroll_confirm",
            choices=forms.yes_no_choices(),
            name=fit.program.name_key,
            about=fit.program.about_key,
            rebate=fit.program.rebate_amount,
            declares=needed,
            approval=fit.program.approval,
        )
        return []


class SubmitEnroll(forms.Submit):
    name_, needs, form, subject = "action_submit_enroll", 2, "enroll_form", "enroll_program"

    def submit(self, ask: frame.Ask) -> None:
        account = ask.account()
        program = programs.get_program(ask.session, code=str(ask.slot("program_choice")))
        declared = forms.last_asked(ask, "programs.enroll_confirm").get("declares") or ()
        enrolment = joining.enroll(
            ask.session,
            account_id=account.id,
            program_code=program.code,
            key=ask.key,
            now=ask.now,
            declared=[str(name) for name in declared],
            tariff_kind=tariff_kind(ask, account),
        )
        ask.say(
            "programs.enrolled",
            choices=menu.wishes("rebate_status" if program.rebate_amount > 0 else "savings_tips", "list_programs"),
            name=program.name_key,
            active=enrolment.status == "ACTIVE",
            rebate=program.rebate_amount,
        )


class RebateStatus(frame.HubAction):
    """How far each rebate is; and which programs of the account pay one that was not claimed yet."""

    name_, needs = "action_rebate_status", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        rebates = programs.list_rebates(ask.session, account_id=account.id)
        claimed = {rebate.program.code for rebate in rebates}
        open_to_claim = [
            enrolment.program
            for enrolment in programs.list_enrolments(ask.session, account_id=account.id)
            if enrolment.status == "ACTIVE"
            and enrolment.program.rebate_amount > 0
            and enrolment.program.code not in claimed
        ]
        ask.say(
            "programs.rebates" if rebates else "programs.rebates_none",
            choices=(*menu.wishes("list_programs"), frame.person()),
            rebates=[
                {
                    "name": rebate.program.name_key,
                    "amount": rebate.amount,
                    "status": rebate.status,
                    "at": rebate.updates[-1].at if rebate.updates else rebate.claimed_at,
                }
                for rebate in rebates[:_TOLD]
            ],
            unclaimed=[{"name": program.name_key, "amount": program.rebate_amount} for program in open_to_claim],
        )
        return self.stop()


def own_tips(ask: frame.Ask) -> Sequence[views.Tip]:
    """This will give the account's tips, the largest saving first; none when too little is known of the home."""
    try:
        tips = billing.list_tips(ask.session, account_id=ask.account().id, now=ask.now)
    except errors.NotFound:
        return ()
    return sorted(tips, key=lambda tip: tip.saving_year, reverse=True)


def own_fits(ask: frame.Ask) -> list[Fit]:
    """This will give every program for the account's kind of customer and how the account stands to it."""
    account = ask.account()
    offered = programs.list_programs(ask.session, customer_kind=account.customer_kind, on=ask.today)
    standing = {
        enrolment.program.code: enrolment.status
        for enrolment in programs.list_enrolments(ask.session, account_id=account.id)
        if enrolment.status in ("ACTIVE", "REQUESTED")
    }
    kind = tariff_kind(ask, account)
    known = {"MEDICAL"} if ask.customer().medical_equipment else set()
    return [Fit(program, _standing(program, standing.get(program.code), kind, known)) for program in offered]


def tariff_kind(ask: frame.Ask, account: accounts.Account) -> str | None:
    """This will give the kind of plan the account is on today; None without service or plan."""
    points = accounts.list_service_points(ask.session, account_id=account.id, on=ask.today)
    agreement = next((point.agreement_id for point in points if point.agreement_id is not None), None)
    if agreement is None:
        return None
    try:
        return billing.current_tariff(ask.session, agreement_id=agreement, on=ask.today).kind
    except errors.NotFound:
        return None


def refuse_unfit(fit: Fit) -> None:
    """This will say by Refused why an account cannot join a program."""
    if fit.standing in ("IN", "ASKED"):
        raise errors.Refused("program.enrolled_already", program=fit.program.code)
    if fit.standing == "TARIFF":
        raise errors.Refused("program.tariff", program=fit.program.code, needed=list(fit.program.tariff_kinds))


def program_choices(fits: Sequence[Fit]) -> tuple[Choice, ...]:
    """This will give one quick reply per program."""
    return tuple(forms.choice(fit.program.name_key, fit.program.code) for fit in fits)


def _standing(program: programs.Program, status: str | None, kind: str | None, known: Collection[str]) -> str:
    if status is not None:
        return "IN" if status == "ACTIVE" else "ASKED"
    if program.tariff_kinds and kind not in program.tariff_kinds:
        return "TARIFF"
    return "DECLARE" if any(name not in known for name in program.requires) else "OPEN"


def _chosen(ask: frame.Ask) -> Fit:
    code = ask.slot("program_choice")
    found = next((fit for fit in own_fits(ask) if fit.program.code == code), None)
    if found is None:
        raise errors.NotFound("program.unknown")
    return found


def _named(ask: frame.Ask, fits: Sequence[Fit]) -> Fit | None:
    """A program named in the wish itself ("sign me up for the home energy audit")."""
    said, house = forms.fold(asked.text(ask, "enroll_program")), frame.house(ask.hub)
    named = [
        fit
        for fit in fits
        if said and forms.fold(wording.label(fit.program.name_key, {}, locale=ask.locale, house=house)) in said
    ]
    return named[0] if len(named) == 1 else None


def _join(program: programs.Program) -> Choice:
    return Choice(program.name_key, '/enroll_program{"choice":"' + program.code + '"}')


ACTIONS = (
    SavingsTips,
    ListPrograms,
    EnrollProgram,
    AskProgram,
    CheckEnroll,
    AskEnrollConfirm,
    SubmitEnroll,
    RebateStatus,
)
