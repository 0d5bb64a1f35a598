"""The account itself: what we have on file, how it is changed, privacy, and what we may send."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from actions import asked, frame, menu
from actions import billing as money
from billing import queries as billing
from core import errors, periods, wording
from core.accounts import addresses
from core.accounts import operations as keeping
from core.accounts import queries as accounts
from core.compliance import operations as compliance
from core.conversations import operations as conversing
from core.fieldwork import operations as working
from core.fieldwork import queries as fieldwork
from core.ports import Choice

RIGHTS = ("ACCESS", "DELETE")
NEWS = ("OUTAGE", "ALERTS", "PROGRAMS")  # what one may choose; answers and bills come in any case
_CHANNELS = {"PHONE": ("SMS",), "EMAIL": ("EMAIL",)}


class AccountInfo(frame.HubAction):
    """What is on file. Contacts are masked: seeing them whole takes signing in."""

    name_, needs = "action_account_info", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        customer = ask.customer()
        others = accounts.list_accounts(ask.session, customer_id=customer.id)
        wanted = next((account for account in others if account.number == ask.choice), None)
        if wanted is not None:
            conversing.select_account(ask.session, token=ask.token, account_id=wanted.id, now=ask.now)
        account = wanted or ask.account()
        points = accounts.list_service_points(ask.session, account_id=account.id, on=ask.today)
        ask.say(
            "account.info",
            choices=(
                *(_account_choice(other) for other in others if other.id != account.id and other.status == "ACTIVE"),
                *menu.wishes("update_contact", "check_balance", "tariff_info"),
            )[:4],
            name=customer.full_name,
            number=account.number,
            active=account.status == "ACTIVE",
            since=customer.opened_on,
            addresses=[f"{point.address}, {point.city} {point.postcode}" for point in points],
            mailing=account.mailing_address,
            plan=_plan_name(ask, points),
            paperless=account.paperless,
            contacts=masked_contacts(ask, customer.id),
            others=len(others) - 1,
            link=f"{ask.link_base}/portal/account",
        )
        return self.stop()


class UpdateContact(frame.HubAction):
    """Contacts are where codes go, so a code alone does not change them: it takes signing in on the website."""

    name_, needs = "action_update_contact", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        link = f"{ask.link_base}/portal/account"
        texted = None
        if ask.speaker.channel == "VOICE":
            texted = money.text_instead(ask, account.customer_id, "account.contact_text", {"link": link})
        ask.say(
            "account.update_contact",
            choices=(*menu.wishes("account_info"), frame.person()),
            link=link,
            contacts=masked_contacts(ask, account.customer_id),
            texted=texted is not None,
        )
        return self.stop()


class PrivacyRequest(frame.HubAction):
    """Says how data is kept, and opens a request to see or delete it, with the two clocks the rules set."""

    name_ = "action_privacy_request"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        right = asked.choice(ask, "privacy_request")
        if right not in RIGHTS:
            offers = [Choice(f"choice.privacy_{r.lower()}", '/privacy_request{"choice":"' + r + '"}') for r in RIGHTS]
            ask.say(
                "account.privacy",
                choices=(*offers, *menu.wishes("communication_preferences")),
                link=f"{ask.link_base}/portal/account",
            )
            return self.stop()
        account = ask.account()
        earlier = [
            request
            for request in fieldwork.list_requests(ask.session, account_id=account.id, limit=50)
            if request.kind == "PRIVACY"
            and request.status not in ("DONE", "CANCELLED")
            and request.data.get("right") == right
        ]
        request = (
            earlier[0]
            if earlier
            else working.open_request(
                ask.session,
                kind="PRIVACY",
                account_id=account.id,
                customer_id=account.customer_id,
                description=right,
                data={"right": right, "channel": ask.speaker.channel},
                key=ask.key,
                now=ask.now,
            )
        )
        first, last = compliance.open_dsar(
            ask.session,
            request_id=request.id,
            key=f"dsar:{request.id}",
            jurisdiction=account.jurisdiction,
            timezone=ask.hub.settings.utility_timezone,
            now=ask.now,
        )
        ask.say(
            "account.privacy_opened",
            choices=(*menu.wishes("request_status"), frame.person()),
            number=request.number,
            right=right,
            again=bool(earlier),
            acknowledge_by=_last_day(ask, first.due_at),
            answer_by=_last_day(ask, last.due_at),
        )
        return self.stop()


class CommunicationPreferences(frame.HubAction):
    """What we send unasked, and switching it. Ending all texts needs no proof: that is what STOP is for."""

    name_ = "action_communication_preferences"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        wanted = asked.choice(ask, "communication_preferences") or ""
        if ask.speaker.level < 2 and not wanted:
            show = Choice("choice.my_settings", '/communication_preferences{"choice":"SHOW"}')
            texting = ask.speaker.channel in ("SMS", "WHATSAPP")
            ask.say("account.preferences_how", choices=(show, frame.person()), texting=texting)
            return self.stop()
        account = ask.account()
        contacts = accounts.list_contact_points(ask.session, customer_id=account.customer_id)
        purpose, _, on = wanted.partition(":")
        if purpose in NEWS and on in ("ON", "OFF"):
            self._switch(ask, account.customer_id, contacts, purpose, granted=on == "ON")
        news = [_held(ask, contacts, purpose) for purpose in NEWS]
        ask.say(
            "account.preferences",
            choices=(*(_switch(held) for held in news), *menu.wishes("paperless_billing")),
            changed=purpose if on else None,
            news=news,
            contacts=masked_contacts(ask, account.customer_id),
        )
        return self.stop()

    def _switch(
        self,
        ask: frame.Ask,
        customer_id: int,
        contacts: Sequence[accounts.ContactPoint],
        purpose: str,
        *,
        granted: bool,
    ) -> None:
        if not contacts:
            raise errors.Refused("alert.no_contact")
        for contact in contacts:
            for channel in _CHANNELS.get(contact.kind, ()):
                keeping.record_consent(
                    ask.session,
                    contact_value=contact.value,
                    customer_id=customer_id,
                    channel=channel,
                    purpose=purpose,
                    granted=granted,
                    source=f"assistant:{ask.speaker.channel}",
                    now=ask.now,
                )


def masked_contacts(ask: frame.Ask, customer_id: int) -> list[str]:
    """This will give how a customer is reached: enough to know one's own by."""
    points = accounts.list_contact_points(ask.session, customer_id=customer_id)
    return [addresses.masked(point.kind, point.value) for point in points]


def _held(ask: frame.Ask, contacts: Sequence[accounts.ContactPoint], purpose: str) -> dict[str, Any]:
    held = {
        channel: accounts.allowed(ask.session, contact_value=contact.value, channel=channel, purpose=purpose)
        for contact in reversed(contacts)
        for channel in _CHANNELS.get(contact.kind, ())
    }
    return {"purpose": purpose, "sms": held.get("SMS", False), "email": held.get("EMAIL", False)}


def _switch(held: dict[str, Any]) -> Choice:
    on = held["sms"] or held["email"]
    payload = '/communication_preferences{"choice":"' + held["purpose"] + (":OFF" if on else ":ON") + '"}'
    return Choice("account.news_off" if on else "account.news_on", payload, {"purpose": held["purpose"]})


def _account_choice(account: accounts.Account) -> Choice:
    payload = '/account_info{"choice":"' + account.number + '"}'
    return Choice("account.other", payload, {"number": account.number})


def _plan_name(ask: frame.Ask, points: Sequence[accounts.ServicePoint]) -> wording.Kind | None:
    agreement = next((point.agreement_id for point in points if point.agreement_id is not None), None)
    if agreement is None:
        return None
    try:
        return billing.current_tariff(ask.session, agreement_id=agreement, on=ask.today).name_key
    except errors.NotFound:
        return None


def _last_day(ask: frame.Ask, due_at: datetime) -> date:
    """A clock that runs out at midnight has the day before as its last."""
    return periods.civil_day(due_at - timedelta(seconds=1), ask.hub.settings.utility_timezone)


ACTIONS = (AccountInfo, UpdateContact, PrivacyRequest, CommunicationPreferences)
