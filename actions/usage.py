"""What was used: lately, against before, what the next bill will be, readings, files, alerts, the meter itself."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from actions import forms, frame, menu, usage_alerts
from billing import alerts
from billing import queries as billing
from core import errors, periods
from core.accounts import queries as accounts
from metering import insight, picture_links, similar_homes, views
from metering import operations as metering_work
from metering import queries as metering

LATELY = 7  # days


class ViewUsage(frame.HubAction):
    """The last seven days that have reads, and what they cost on this account's own plan."""

    name_, needs = "action_view_usage", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account, point = ask.account(), ask.service_point()
        fresh = metering.freshness(ask.session, service_point_id=point.id)
        if fresh is None:
            ask.say("usage.none", choices=menu.wishes("smart_meter", "meter_reading"))
            return self.stop()
        last = min(ask.today, periods.civil_day(fresh, point.timezone))
        days = periods.Days(last - timedelta(days=LATELY), last)
        used = metering.daily_usage(ask.session, service_point_id=point.id, days=days, timezone=point.timezone)
        costs = billing.cost_of_usage(ask.session, account_id=account.id, days=days, now=ask.now)
        known = [day for day in used if day.missing < day.intervals]
        if not known:
            ask.say("usage.none", choices=menu.wishes("smart_meter", "meter_reading"))
            return self.stop()
        busiest = max(known, key=lambda day: day.wh)
        now = metering.latest_usage(ask.session, service_point_id=point.id, now=ask.now)
        ask.say(
            "usage.lately",
            choices=menu.wishes("compare_usage", "usage_forecast", "download_usage"),
            starts_on=days.starts_on,
            last_day=days.ends_on - timedelta(days=1),
            kwh=kwh(sum(day.wh for day in known)),
            cost=sum((cost.amount for cost in costs), Decimal(0)),
            daily_kwh=kwh(sum(day.wh for day in known) // len(known)),
            busiest_day=busiest.day,
            busiest_kwh=kwh(busiest.wh),
            estimated=any(day.estimated for day in known),
            missing_days=len(used) - len(known),
            fresh_until=fresh,
            today_kwh=kwh(now.wh) if now.until else None,
            today_usual_kwh=kwh(now.usual_wh) if now.until and now.usual_wh is not None else None,
            today_until=now.until,
            today_cost=today_cost(ask, account.id) if now.until else None,
            link=f"{ask.link_base}/portal/usage",
            picture=picture(ask, "DAYS", days),
        )
        return self.stop()


class CompareUsage(frame.HubAction):
    name_, needs = "action_compare_usage", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        point = ask.service_point()
        compared = metering.compare_usage(
            ask.session, service_point_id=point.id, timezone=point.timezone, today=ask.today
        )
        busiest = compared.busiest_day
        this = periods.Days(compared.this_period.starts_on, compared.this_period.ends_on)
        behind = insight.find_insight(ask.session, service_point_id=point.id, period=this, now=ask.now)
        alike = similar_homes.find_similar(ask.session, service_point_id=point.id, on=ask.today)
        expected = behind.expected
        ask.say(
            "usage.compared" if compared.this_period.days_with_reads else "usage.none",
            choices=menu.wishes("usage_forecast", "high_bill", "savings_tips"),
            this=period_data(compared.this_period),
            previous=period_data(compared.previous),
            last_year=period_data(compared.last_year),
            change_previous=compared.change_previous,
            change_last_year=compared.change_last_year,
            busiest={"day": busiest.day, "kwh": kwh(busiest.wh)} if busiest else None,
            expected={
                "kwh": kwh(expected.expected_wh),
                "actual": kwh(expected.actual_wh),
                "days": expected.days,
                "percent": abs(expected.percent),
                "how": "same" if not expected.notable else "more" if expected.percent > 0 else "less",
            }
            if expected
            else None,
            similar={
                "percent": abs(alike.percent),
                "how": "same" if alike.percent == 0 else "more" if alike.percent > 0 else "less",
                "homes": alike.homes,
                "kwh": kwh(alike.mean_wh),
            }
            if alike
            else None,
            picture=picture(ask, "COMPARED", this) if compared.this_period.days_with_reads else None,
        )
        return self.stop()


class UsageForecast(frame.HubAction):
    """What the bill that is running will come to, with the honest spread around it."""

    name_, needs = "action_usage_forecast", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        coming = billing.forecast_bill(ask.session, account_id=account.id, now=ask.now)
        ask.say(
            "usage.forecast",
            choices=menu.wishes("usage_alerts", "savings_tips", "compare_tariffs"),
            low=coming.low,
            likely=coming.likely,
            high=coming.high,
            so_far=coming.so_far,
            so_far_kwh=coming.so_far_kwh,
            last_day=coming.ends_on - timedelta(days=1),
            confidence=coming.confidence,
            prices_guessed=coming.prices_guessed,
            previous=coming.previous_total,
            picture=picture(ask, "FORECAST", periods.Days(coming.starts_on, coming.ends_on)),
        )
        return self.stop()


class DownloadUsage(frame.HubAction):
    name_, needs = "action_download_usage", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.account()
        ask.say("usage.download", choices=menu.wishes("view_usage"), link=f"{ask.link_base}/portal/usage")
        return self.stop()


class SmartMeter(frame.HubAction):
    name_, needs = "action_smart_meter", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        point = ask.service_point()
        meter = metering.find_meter(ask.session, service_point_id=point.id)
        if meter is None:
            ask.say("usage.no_meter", choices=(frame.person(),))
            return self.stop()
        fresh = metering.freshness(ask.session, service_point_id=point.id)
        ask.say(
            "usage.meter",
            choices=menu.wishes("meter_reading", "view_usage", "request_repair"),
            number=meter.number,
            smart=meter.interval_minutes is not None,
            minutes=meter.interval_minutes,
            installed_on=meter.installed_on,
            fresh_until=fresh,
            quiet_hours=int((ask.now - fresh).total_seconds() // 3600) if fresh else None,
        )
        return self.stop()


# --- a reading ----------------------------------------------------------------------------------------------


class MeterReading(frame.HubAction):
    name_, needs, form = "action_meter_reading", 2, "reading_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        meter = metering.find_meter(ask.session, service_point_id=ask.service_point().id)
        if meter is None:
            ask.say("usage.no_meter", choices=(frame.person(),))
            return self.stop()
        if meter.interval_minutes is not None:
            ask.say("usage.reading_not_needed", number=meter.number)
        return self.go()


class AskMeterValue(forms.Question):
    form, slot, subject = "reading_form", "meter_value", "meter_reading"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        meter = metering.find_meter(ask.session, service_point_id=ask.service_point().id)
        ask.say("usage.reading_ask", number=meter.number if meter else "", digits=meter.digits if meter else 5)
        return []


class CheckReading(forms.Check):
    form, subject, hint = "reading_form", "meter_reading", "forms.hint_digits"

    def check_meter_value(self, ask: frame.Ask) -> str | None:
        return forms.read_digits(ask)


class AskReadingConfirm(forms.Question):
    form, slot, subject = "reading_form", "confirm", "meter_reading"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        ask.say("usage.reading_confirm", choices=forms.yes_no_choices(), value=ask.slot("meter_value"))
        return []


class SubmitReading(forms.Submit):
    name_, needs, form, subject = "action_submit_reading", 2, "reading_form", "meter_reading"

    def submit(self, ask: frame.Ask) -> None:
        point = ask.service_point()
        taken = metering_work.submit_reading(
            ask.session,
            service_point_id=point.id,
            value=str(ask.slot("meter_value")),
            source=ask.speaker.channel,
            key=ask.key,
            now=ask.now,
        )
        again = menu.wishes("meter_reading") if taken.status != "ACCEPTED" else menu.wishes("usage_forecast")
        ask.say(
            "usage.reading_taken",
            choices=(*again, frame.person()),
            status=taken.status,
            reason=taken.reason,
            value=ask.slot("meter_value"),
            kwh=kwh(taken.usage_wh) if taken.usage_wh is not None else None,
            previous=taken.previous_value,
        )


# --- alerts -------------------------------------------------------------------------------------------------


class UsageAlerts(frame.HubAction):
    """What alerts there were and which are on; feedback on one; unusual use on or off; the bill alert's form."""

    name_, needs, form = "action_usage_alerts", 2, "alerts_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        held = alerts.find_bill_alert(ask.session, account_id=account.id)
        word, _, which = (ask.choice or "").partition(":")
        if word in ("OURS", "PROBLEM") and which.isdigit():
            usage_alerts.feedback(ask, int(which), ours=word == "OURS")
        elif word in ("UNUSUAL_ON", "UNUSUAL_OFF"):
            usage_alerts.turn(ask, account, on=word == "UNUSUAL_ON")
        elif word == "CHANGE":
            return self.go()
        elif held is not None and word == "OFF":
            alerts.set_bill_alert(ask.session, account_id=account.id, threshold=None, now=ask.now)
            ask.say("usage.alert_off", choices=menu.wishes("usage_forecast", "view_usage"))
        elif usage_alerts.overview(ask, account, held):
            pass
        elif held is not None:
            ask.say("usage.alert_is_on", choices=usage_alerts.ways(ask, account, held), threshold=held.threshold)
        else:
            return self.go()
        return self.stop()


class AskAlertThreshold(forms.Question):
    """Offers amounts around what the running bill will come to."""

    form, slot, subject = "alerts_form", "alert_threshold", "usage_alerts"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        account = ask.account()
        try:
            likely = billing.forecast_bill(ask.session, account_id=account.id, now=ask.now).likely
        except errors.NotFound:
            likely = None
        contact = usage_alerts.contact(ask, account.customer_id)
        ask.say(
            "usage.alert_ask",
            choices=[
                forms.choice("choice.amount", str(amount), amount=str(amount)) for amount in round_amounts(likely)
            ],
            likely=likely,
            channel=contact[0] if contact else None,
        )
        return []


class CheckAlerts(forms.Check):
    form, subject, hint = "alerts_form", "usage_alerts", "forms.hint_amount"

    def check_alert_threshold(self, ask: frame.Ask) -> str | None:
        chosen = ask.choice
        amount = Decimal(chosen) if chosen and chosen.isdigit() else forms.read_amount(ask)
        return str(amount) if amount is not None and 0 < amount <= alerts.MAX_THRESHOLD else None


class SubmitAlerts(forms.Submit):
    """Sets the alert, and writes down the yes to being told."""

    name_, needs, form, subject = "action_submit_alerts", 2, "alerts_form", "usage_alerts"

    def submit(self, ask: frame.Ask) -> None:
        account = ask.account()
        reached = usage_alerts.reach(ask, account.customer_id)
        threshold = Decimal(str(ask.slot("alert_threshold")))
        alerts.set_bill_alert(ask.session, account_id=account.id, threshold=threshold, now=ask.now)
        usage_alerts.consent(ask, account.customer_id, reached)
        ask.say("usage.alert_set", choices=menu.wishes("usage_forecast"), threshold=threshold, channel=reached[0])


def round_amounts(likely: Decimal | None) -> tuple[int, ...]:
    """This will give three round amounts around a forecast: a little above it, a fifth above, a half above."""
    base = likely if likely and likely > 0 else Decimal(100)
    steps = [int(-(-(base * share) // 10) * 10) for share in (Decimal("1.05"), Decimal("1.25"), Decimal("1.5"))]
    return tuple(dict.fromkeys(steps))


def picture(ask: frame.Ask, kind: str, days: periods.Days) -> dict[str, str] | None:
    """This will give the picture of a reply: where it is fetched, and what says in words what it shows. None where no
    service is taken any more.
    """
    account = ask.account()
    points = accounts.list_service_points(ask.session, account_id=account.id, on=ask.today)
    if not points:
        return None
    wanted = picture_links.Picture(
        kind=kind,
        account_id=account.id,
        service_point_id=points[0].id,
        starts_on=days.starts_on.isoformat(),
        ends_on=days.ends_on.isoformat(),
        locale=ask.locale,
    )
    path = picture_links.path(ask.hub.settings.secret_key, wanted, now=ask.now)
    return {"url": f"{ask.link_base}{path}", "alt": f"picture.{kind.lower()}.alt"}


def today_cost(ask: frame.Ask, account_id: int) -> Decimal | None:
    """This will give what today's use has added to the running bill; None where nothing can be priced."""
    try:
        return billing.running_period(ask.session, account_id=account_id, now=ask.now).today_amount
    except errors.NotFound:
        return None


def period_data(period: views.PeriodUsage) -> dict[str, Any]:
    """This will give what is said of a period: its days, its use, its use a day."""
    return {
        "starts_on": period.starts_on,
        "last_day": period.ends_on - timedelta(days=1),
        "days": period.days_with_reads,
        "kwh": kwh(period.wh),
        "daily_kwh": None if period.daily_wh is None else kwh(period.daily_wh),
    }


def kwh(wh: int) -> Decimal:
    """This will give Wh as kWh, to a tenth."""
    return (Decimal(int(wh)) / 1000).quantize(Decimal("0.1"))


ACTIONS = (
    ViewUsage,
    CompareUsage,
    UsageForecast,
    DownloadUsage,
    SmartMeter,
    MeterReading,
    AskMeterValue,
    CheckReading,
    AskReadingConfirm,
    SubmitReading,
    UsageAlerts,
    AskAlertThreshold,
    CheckAlerts,
    SubmitAlerts,
)
