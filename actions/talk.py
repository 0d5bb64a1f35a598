"""Conversation itself: hello and goodbye, help, a person, a complaint, another language, and not having understood."""

from collections.abc import Sequence
from typing import Any

from actions import forms, frame, menu, plans_forms
from core.accounts import queries as accounts
from core.conversations import operations as conversing
from core.conversations import queries as conversations
from core.fieldwork import operations as fieldwork
from core.ports import Choice, Reply


class Greet(frame.HubAction):
    name_ = "action_greet"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        name = None
        if ask.speaker.customer_id is not None:
            customer = accounts.get_customer(ask.session, customer_id=ask.speaker.customer_id)
            name = customer.full_name.split()[0] if customer.kind == "RESIDENTIAL" else customer.full_name
        ask.say("talk.greet", choices=menu.short(), name=name)
        return []


class Goodbye(frame.HubAction):
    name_ = "action_goodbye"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("talk.goodbye")
        return []


class Affirm(frame.HubAction):
    """A yes that answers no question of ours."""

    name_ = "action_affirm"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        if not plans_forms.offer_undo(ask):
            ask.say("talk.affirm", choices=menu.short())
        return []


class Deny(frame.HubAction):
    """A no that answers no question of ours."""

    name_ = "action_deny"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        if not plans_forms.offer_undo(ask):
            ask.say("talk.deny")
        return []


class Thanks(frame.HubAction):
    name_ = "action_thanks"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("talk.thanks")
        return []


class Help(frame.HubAction):
    name_ = "action_help"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("talk.help", choices=menu.full())
        return []


class Repeat(frame.HubAction):
    """Says the last thing we said again, worded anew for where the customer is now."""

    name_ = "action_repeat"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        said = [
            message
            for message in conversations.list_messages(ask.session, conversation_id=ask.speaker.conversation_id)
            if message.direction == "OUT" and message.author == "ASSISTANT"
        ]
        if not said:
            ask.say("talk.help", choices=menu.full())
        elif said[-1].kind:
            ask.replies.append(Reply(said[-1].kind, said[-1].data or {}))
        else:
            ask.say("talk.repeat", said=said[-1].text)
        return []


class BotChallenge(frame.HubAction):
    name_ = "action_bot_challenge"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("talk.bot_challenge", choices=(frame.person(), Choice("choice.menu", "/help")))
        return []


class TalkToHuman(frame.HubAction):
    name_ = "action_talk_to_human"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        conversing.request_handoff(
            ask.session,
            conversation_id=ask.speaker.conversation_id,
            reason="CUSTOMER_ASKED",
            now=ask.now,
            key=ask.key,
        )
        ask.replies.append(conversing.waiting_reply(ask.hub.settings, ask.now))
        return frame.clear("resume_action")


class OutOfScope(frame.HubAction):
    name_ = "action_out_of_scope"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        if not plans_forms.offer_undo(ask):
            ask.say("talk.out_of_scope", choices=(Choice("choice.menu", "/help"), frame.person()))
        return []


class ChangeLanguage(frame.HubAction):
    name_ = "action_change_language"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        wanted = wanted_locale(ask)
        if wanted is None:
            ask.say("talk.language_unknown", choices=language_choices(ask.hub.settings.locales))
            return []
        conversing.set_locale(ask.session, token=ask.token, locale=wanted, now=ask.now)
        ask.say("talk.language_changed", choices=menu.short())
        return []


class CancelDialog(frame.HubAction):
    name_ = "action_cancel_dialog"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        if not plans_forms.offer_undo(ask, dropped=True):
            ask.say("talk.cancelled", choices=(Choice("choice.menu", "/help"),))
        filled = dict.fromkeys(slot for slots in frame.FORMS.values() for slot in slots if ask.slot(slot) is not None)
        return frame.clear(*filled, "resume_action")


class ReturnedFromStaff(frame.HubAction):
    """A person closed the handoff: the assistant is back, and says so."""

    name_ = "action_returned_from_staff"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("talk.returned_from_staff", choices=menu.short())
        return frame.clear("resume_action")


class Unsure(frame.HubAction):
    """Not understood: offer the likeliest wishes; the second time in a row, offer a person first."""

    name_ = "action_unsure"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        if plans_forms.offer_undo(ask):
            return []
        if unsure_before(ask.tracker):
            ask.say("talk.unsure_again", choices=(frame.person(), Choice("choice.menu", "/help")))
            return []
        likely = likely_intents(ask.tracker.latest_message.get("intent_ranking") or ())
        if likely:
            ask.say("talk.did_you_mean", choices=(*menu.wishes(*likely), Choice("choice.none", "/help")))
        else:
            ask.say("talk.unsure", choices=menu.short())
        return []


class Complaint(frame.HubAction):
    name_, form = "action_complaint", "complaint_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("talk.complaint_sorry")
        return self.go()


class AskComplaintText(forms.Question):
    form, slot, subject = "complaint_form", "complaint_text", "complaint"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("forms.ask_complaint", choices=(frame.person(),))
        return []


class CheckComplaint(forms.Check):
    form, subject, hint = "complaint_form", "complaint", "forms.hint_words"
    free_text = frozenset(("complaint_text",))

    def check_complaint_text(self, ask: frame.Ask) -> str | None:
        return forms.read_text(ask, least=6)


class SubmitComplaint(forms.Submit):
    """Files the complaint as a service request, known or unknown; a complaint needs no proof of identity."""

    name_, form, subject = "action_submit_complaint", "complaint_form", "complaint"

    def submit(self, ask: frame.Ask) -> None:
        request = fieldwork.open_request(
            ask.session,
            kind="COMPLAINT",
            account_id=ask.speaker.account_id,
            customer_id=ask.speaker.customer_id,
            description=str(ask.slot("complaint_text")),
            data={"channel": ask.speaker.channel, "conversation": ask.speaker.conversation_id},
            key=ask.key,
            now=ask.now,
        )
        ask.say("talk.complaint_filed", choices=(frame.person(),), number=request.number)


def likely_intents(ranking: Sequence[Any], *, most: int = 3, least: float = 0.06) -> list[str]:
    """This will give the likeliest wishes worth offering, best first."""
    offered = [
        str(item["name"])
        for item in ranking
        if item["name"] not in menu.UNOFFERED and float(item.get("confidence") or 0) >= least
    ]
    return offered[:most]


def unsure_before(tracker: Any) -> bool:
    """This will say whether the turn before this one also ended in not having understood."""
    turns = 0
    for event in reversed(tracker.events):
        if event.get("event") == "user":
            turns += 1
            if turns == 2:
                return False
        elif turns == 1 and event.get("event") == "action" and event.get("name") == "action_unsure":
            return True
    return False


def wanted_locale(ask: frame.Ask) -> str | None:
    """This will say which language is asked for: named, else the other one when there are only two."""
    locales = ask.hub.settings.locales
    if ask.choice in locales:
        return ask.choice
    words = forms.fold(ask.text).split()
    named = [
        locale
        for locale, names in (
            ("es", ("espanol", "spanish", "castellano")),
            ("en", ("english", "ingles")),
        )
        if locale in locales and any(name in words for name in names)
    ]
    if len(named) == 1:
        return named[0]
    others = [locale for locale in locales if locale != ask.locale]
    unnamed = not named and not any(word in words for word in _UNSPOKEN)
    return others[0] if len(others) == 1 and unnamed else None


def language_choices(locales: Sequence[str]) -> tuple[Choice, ...]:
    """This will give one quick reply per language we speak."""
    return tuple(
        Choice(f"choice.language_{locale}", '/change_language{"choice":"' + locale + '"}') for locale in locales
    )


_UNSPOKEN = frozenset(
    (
        "french",
        "francais",
        "frances",
        "german",
        "aleman",
        "chinese",
        "mandarin",
        "chino",
        "portuguese",
        "portugues",
    )
) | frozenset(("vietnamese", "vietnamita", "russian", "ruso", "arabic", "arabe", "korean", "tagalog", "italian"))

ACTIONS = (
    Greet,
    Goodbye,
    Affirm,
    Deny,
    Thanks,
    Help,
    Repeat,
    BotChallenge,
    TalkToHuman,
    OutOfScope,
    ChangeLanguage,
    CancelDialog,
    ReturnedFromStaff,
    Unsure,
    Complaint,
    AskComplaintText,
    CheckComplaint,
    SubmitComplaint,
)
