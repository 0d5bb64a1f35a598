"""What is said of alerts of unusual use: which there were, feedback on one, on and off."""

from datetime import timedelta
from typing import Any

from actions import frame, menu
from billing import alert_settings, alerts, unusual
from core import errors, money
from core.accounts import operations as keeping
from core.accounts import queries as accounts
from core.ports import Choice
from metering import operations as metering_work
from metering import queries as metering

_LATELY = timedelta(days=30)
_SHOWN = 3


def overview(ask: frame.Ask, account: accounts.Account, held: alerts.BillAlert | None) -> bool:
    """This will say which alerts there were of late and what is on; False when there were none."""
    found = metering.list_anomalies(
        ask.session, service_point_id=ask.service_point().id, since=ask.today - _LATELY, limit=_SHOWN
    )
    if not found:
        return False
    wants = alert_settings.get_alert_settings(ask.session, account_id=account.id)
    waiting = next((one for one in found if one.feedback is None), None)
    ask.say(
        "usage.alerts_overview",
        choices=(*(unusual.feedback_choices(waiting.id) if waiting else ()), *ways(ask, account, held)),
        open=[_told(one) for one in found],
        on=_on(wants),
        threshold=held.threshold if held else None,
    )
    return True


def ways(ask: frame.Ask, account: accounts.Account, held: alerts.BillAlert | None) -> tuple[Choice, ...]:
    """This will offer what can be changed: the bill alert, and unusual use on or off."""
    on = _on(alert_settings.get_alert_settings(ask.session, account_id=account.id))
    change = Choice("choice.change_alert" if held else "choice.set_budget", '/usage_alerts{"choice":"CHANGE"}')
    drop = (Choice("choice.turn_off", '/usage_alerts{"choice":"OFF"}'),) if held else ()
    word = "UNUSUAL_OFF" if on else "UNUSUAL_ON"
    turn_ = Choice("choice.alerts_off" if on else "choice.alerts_on", f'/usage_alerts{{"choice":"{word}"}}')
    return (change, *drop, turn_)


def feedback(ask: frame.Ask, usage_alert_id: int, *, ours: bool) -> None:
    """This will take "it was us" or "it is a problem" about an alert of this place, and say what that changes."""
    point = ask.service_point()
    about = [one for one in metering.list_anomalies(ask.session, service_point_id=point.id) if one.id == usage_alert_id]
    patience = metering_work.give_feedback(
        ask.session, usage_alert_id=usage_alert_id, service_point_id=point.id, ours=ours, now=ask.now
    )
    if ours:
        ask.say("usage.alert_ours", choices=menu.wishes("view_usage"), patience=patience)
    else:
        ask.say(
            "usage.alert_problem",
            choices=(*menu.wishes("view_usage"), frame.person()),
            what=about[0].kind if about else "HIGH_DAY",
        )


def turn(ask: frame.Ask, account: accounts.Account, *, on: bool) -> None:
    """This will turn alerts of unusual use on, with the yes to being told, or off."""
    wants = alert_settings.get_alert_settings(ask.session, account_id=account.id)
    ahead = tuple(kind for kind in wants.wanted if kind not in alert_settings.UNUSUAL)
    reached = reach(ask, account.customer_id) if on else None
    alert_settings.set_alert_settings(
        ask.session,
        account_id=account.id,
        wanted=(*(alert_settings.UNUSUAL if on else ()), *ahead),
        channel=wants.channel,
        quiet_from=wants.quiet_from,
        quiet_to=wants.quiet_to,
        now=ask.now,
    )
    if reached is not None:
        consent(ask, account.customer_id, reached)
    ask.say("usage.alerts_turned", choices=menu.wishes("view_usage"), on=on, channel=reached[0] if reached else None)


def contact(ask: frame.Ask, customer_id: int) -> tuple[str, str] | None:
    """This will choose where alerts go: by text for those who text or call, else by e-mail, as far as on file."""
    points = accounts.list_contact_points(ask.session, customer_id=customer_id)
    by_text = ask.speaker.channel in ("SMS", "WHATSAPP", "VOICE")
    for kind, channel in (("PHONE", "SMS"), ("EMAIL", "EMAIL")) if by_text else (("EMAIL", "EMAIL"), ("PHONE", "SMS")):
        for point in points:
            if point.kind == kind and not accounts.is_opted_out(
                ask.session, contact_value=point.value, channel=channel
            ):
                return channel, point.value
    return None


def reach(ask: frame.Ask, customer_id: int) -> tuple[str, str]:
    """This will choose where alerts go; Refused alert.no_contact where there is nothing to choose from."""
    chosen = contact(ask, customer_id)
    if chosen is None:
        raise errors.Refused("alert.no_contact")
    return chosen


def consent(ask: frame.Ask, customer_id: int, reached: tuple[str, str]) -> None:
    """This will write down the yes to being told there."""
    keeping.record_consent(
        ask.session,
        contact_value=reached[1],
        customer_id=customer_id,
        channel=reached[0],
        purpose="ALERTS",
        granted=True,
        source=f"conversation:{ask.speaker.conversation_id}",
        now=ask.now,
    )


def _on(wants: alert_settings.AlertSettings) -> bool:
    return any(kind in alert_settings.UNUSUAL for kind in wants.wanted)


def _told(one: Any) -> dict[str, Any]:
    return {
        "day": one.day,
        "kind": one.kind,
        "excess_kwh": round(one.excess_wh / 1000, 1),
        "cost": None if one.cost_cents is None or one.cost_cents <= 0 else money.from_cents(one.cost_cents),
    }
