"""Who is speaking: asking for an account number, sending the one-time code, and going on where we stopped.

The code itself never passes here: the hub checks it, and then tells the assistant ``/identity_verified``.
"""

import re
from collections.abc import Sequence

from rasa_sdk.events import FollowupAction, SlotSet

from actions import forms, frame, menu


class AskClaimedAccount(forms.Question):
    form, slot, subject = "identify_form", "claimed_account", "check_balance"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("verify.ask_account", choices=(frame.person(),))
        return []

    def resume_as(self, tracker: object) -> str:
        return self.name()


class CheckIdentify(forms.Check):
    form, subject, hint = "identify_form", "", "forms.hint_account"

    def check_claimed_account(self, ask: frame.Ask) -> str | None:
        return read_claim(ask.text)


class StartVerification(frame.HubAction):
    """Ends identify_form. What was claimed only chooses whose contact on file gets a code; it proves nothing."""

    name_, form = "action_start_verification", "identify_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        claim = ask.slot("claimed_account")
        if claim is None:
            return self._left(ask)
        is_number = str(claim).isdigit()
        replies, flow = frame.begin_identity(
            ask, account_number=claim if is_number else None, contact=None if is_number else claim
        )
        ask.replies.extend(replies)
        if flow == frame.IDENTIFY:
            ask.say("forms.hint_account")
            return [
                SlotSet("claimed_account", None),
                SlotSet("flow", flow),
                FollowupAction("identify_form"),
            ]
        return self.stop(claimed_account=None)

    def _left(self, ask: frame.Ask) -> list[frame.Event]:
        """Another wish was spoken instead of an account number: answer that one."""
        if forms.is_small_talk(ask.intent):
            ask.say("forms.nothing_changed", choices=menu.short())
            return self.stop(claimed_account=None, resume_action=None)
        return [
            *self.stop(claimed_account=None, resume_action=None),
            FollowupAction(f"action_{ask.intent}"),
        ]


class Resume(frame.HubAction):
    """The hub has checked the code: go on with what had to wait for it."""

    name_ = "action_resume"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        waiting = ask.slot("resume_action")
        if waiting and ask.speaker.level >= 2:
            return [SlotSet("resume_action", None), SlotSet("claimed_account", None), FollowupAction(waiting)]
        ask.say("talk.verified_menu", choices=menu.short())
        return self.stop(resume_action=None, claimed_account=None)


def read_claim(text: str) -> str | None:
    """This will read an account number (10 digits), a phone number (E.164) or an e-mail address; None for neither."""
    if text.startswith("/"):
        return None
    address = re.search(r"[^\s<>,;]+@[^\s<>,;]+\.[a-zA-Z]{2,}", text)
    if address:
        return address.group(0).lower().rstrip(".")
    found = re.search(r"\+?\(?\d[\d\s().-]{8,}\d", text)
    if not found:
        return None
    said = found.group(0)
    digits = re.sub(r"\D", "", said)
    looks_like_phone = said.startswith(("+", "(")) or re.fullmatch(r"\d{3}[-.\s]\d{3}[-.\s]\d{4}", said)
    if len(digits) == 11 and digits.startswith("1"):
        return f"+{digits}"
    if len(digits) == 10:
        return f"+1{digits}" if looks_like_phone else digits
    return None


ACTIONS = (AskClaimedAccount, CheckIdentify, StartVerification, Resume)
