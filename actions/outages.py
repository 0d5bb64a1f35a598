"""Power out: what is known, when it is back, what is planned, what a long one gives back.

Nobody has to prove who they are to say that it is dark. A number we recognise stands for the home on its account, whose
address and name are not said; anybody else names an address or a ZIP code.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from actions import frame, menu
from core import errors
from core.accounts import queries as accounts
from core.outages import queries as outages
from core.ports import Choice

LATELY = timedelta(hours=24)
_MOST = 3  # planned works told of at once


class ReportOutage(frame.HubAction):
    """Says what is known already, and starts the form: for the recognised home it only asks about danger."""

    name_, form = "action_report_outage", "report_outage_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        place = read_place(ask, ask.text)
        points = homes(ask)
        if place is None and len(points) == 1 and ask.choice != "ELSEWHERE":
            place = f"POINT:{points[0].id}"
            known = outages.find_outage_at(ask.session, service_point_id=points[0].id, now=ask.now)
            if known is not None:
                ask.say("outage.known", **outage_data(known, ask))
            elif not points[0].connected:
                ask.say("outage.not_connected", choices=(*menu.wishes("disconnection", "pay_bill"), frame.person()))
                return self.stop()
        if place is None:
            ask.say("outage.report_start")
        return self.go(outage_location=place)


class OutageStatus(frame.HubAction):
    """When the power is back: of a number, a place, or the speaker's homes; a stranger is asked where."""

    name_, form = "action_outage_status", "location_form"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        number = re.search(r"\bOUT-?\s?(\d{1,9})\b", ask.text, re.IGNORECASE)
        if number:
            found = outages.find_outage_by_number(ask.session, number=f"OUT-{int(number[1]):06d}")
            if found is None or not found.announced:
                raise errors.NotFound("outage.unknown")
            say_outage(ask, found)
            return self.stop()
        place = read_place(ask, ask.text)
        if place is not None:
            say_place(ask, place)
            return self.stop()
        points = homes(ask)
        if not points or ask.choice == "ELSEWHERE":
            return self.go()
        say_homes(ask, points)
        return self.stop()


class OutageCredit(frame.HubAction):
    """What the rules give back for the longest outage of the last 60 days; damage is a matter for a person."""

    name_, needs = "action_outage_credit", 2

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        point = ask.service_point()
        credit = outages.credit_for(ask.session, service_point_id=point.id, now=ask.now)
        if credit.outage_id is None:
            offers: tuple[str, ...]
            kind, offers = "outage.credit_no_outage", ("report_outage", "outage_status")
        elif credit.amount > 0:
            kind, offers = "outage.credit", ("check_balance",)
        else:
            kind, offers = "outage.credit_none", ("complaint",)
        number = outages.get_outage(ask.session, outage_id=credit.outage_id).number if credit.outage_id else None
        ask.say(
            kind,
            choices=(*menu.wishes(*offers), frame.person()),
            number=number,
            hours=credit.minutes // 60,
            minutes=credit.minutes % 60,
            amount=credit.amount,
            citation=credit.citation if credit.verified else None,
        )
        return self.stop()


class PlannedOutage(frame.HubAction):
    """Planned work: at the speaker's homes, in the ZIP code named, or everywhere by area."""

    name_ = "action_planned_outage"

    def answer(self, ask: frame.Ask) -> Sequence[frame.Event]:
        place = read_place(ask, ask.text)
        points = homes(ask) if place is None else ()
        if place is not None and place.startswith("POSTCODE:"):
            scope, postcode = "POSTCODE", place.partition(":")[2]
            works = outages.list_planned(ask.session, postcode=postcode, now=ask.now)
        elif place is not None or points:
            scope, postcode = "HOME" if points else "ADDRESS", None
            ids = [point.id for point in points] or [point_id(place or "")]
            found = [w for i in ids for w in outages.list_planned(ask.session, service_point_id=i, now=ask.now)]
            works = tuple({work.id: work for work in found}.values())
        else:
            scope, postcode = "ALL", None
            works = outages.list_planned(ask.session, now=ask.now)
        ask.say(
            "outage.planned" if works else "outage.planned_none",
            choices=menu.wishes("outage_status", "report_outage"),
            scope=scope,
            postcode=postcode,
            works=[
                {
                    "number": work.number,
                    "starts_at": work.starts_at,
                    "ends_at": work.ends_at,
                    "area": work.area if scope in ("ALL", "POSTCODE") else None,
                }
                for work in works[:_MOST]
            ],
            more=max(0, len(works) - _MOST),
        )
        return self.stop()


# --- where -----------------------------------------------------------------------------------------------------------


def homes(ask: frame.Ask) -> tuple[accounts.ServicePoint, ...]:
    """This will give where the speaker takes service: of the verified account, else of whoever the number belongs to.

    Below level 2 nothing of them may be said but whether the power is on there.
    """
    if ask.speaker.level >= 2:
        found: Sequence[accounts.Account] = (ask.account(),)
    elif ask.speaker.recognised_customer_id is not None:
        known = accounts.list_accounts(ask.session, customer_id=ask.speaker.recognised_customer_id)
        found = [account for account in known if account.status == "ACTIVE"]
    else:
        return ()
    return tuple(
        point
        for account in found
        for point in accounts.list_service_points(ask.session, account_id=account.id, on=ask.today)
    )


def read_place(ask: frame.Ask, text: str) -> str | None:
    """This will read where: "POINT:<id>" of an address we know, else "POSTCODE:<five digits>"; None for neither."""
    if text.startswith("/"):
        return None
    street = re.search(r"\b\d{1,6}[a-z]?\s+[^\W\d].*", text, re.IGNORECASE | re.DOTALL)
    for said in (text, street.group(0) if street else ""):
        point = accounts.find_service_point_at(ask.session, address=said, on=ask.today) if said else None
        if point is not None:
            return f"POINT:{point.id}"
    codes = re.findall(r"(?<![\d-])(\d{5})(?:-\d{4})?(?![\d-])", text)
    return f"POSTCODE:{codes[-1]}" if codes else None


def point_id(place: str) -> int:
    """This will give the service point a place names; Invalid when it names none."""
    kind, _, value = place.partition(":")
    if kind != "POINT" or not value.isdigit():
        raise errors.Invalid("outage.where")
    return int(value)


# --- what is said ----------------------------------------------------------------------------------------------------


def say_place(ask: frame.Ask, place: str) -> None:
    """This will say what is known of a place: of an address its outage, of a ZIP code how many are without power."""
    if place.startswith("POINT:"):
        found = outages.find_outage_at(ask.session, service_point_id=point_id(place), now=ask.now)
        if found is not None:
            say_outage(ask, found)
        else:
            ask.say("outage.none_there", choices=menu.wishes("report_outage", "planned_outage"))
        return
    postcode = place.partition(":")[2]
    areas = outages.list_areas(ask.session, postcode=postcode)
    if not areas:
        ask.say("outage.none_area", choices=menu.wishes("report_outage", "planned_outage"), postcode=postcode)
        return
    area = areas[0]
    ask.say(
        "outage.area",
        choices=menu.wishes("report_outage"),
        postcode=postcode,
        outages=area.outages,
        affected=area.affected,
        few=area.few,
        started_at=area.started_at,
        estimate=ahead(area.estimated_restoration_at, ask),
    )


def say_homes(ask: frame.Ask, points: Sequence[accounts.ServicePoint]) -> None:
    """This will say whether power is out at the speaker's homes, and when it was or will be back."""
    found = [outages.find_outage_at(ask.session, service_point_id=point.id, now=ask.now) for point in points]
    open_now = list({outage.id: outage for outage in found if outage is not None}.values())
    for outage in open_now:
        say_outage(ask, outage)
    if open_now:
        return
    since = ask.now - LATELY
    lately = [
        outage
        for point in points
        for outage in outages.list_recent_outages(ask.session, service_point_id=point.id, since=since)
        if outage.restored_at is not None and not outage.momentary
    ]
    if lately:
        last = max(lately, key=lambda outage: outage.restored_at or outage.started_at)
        ask.say(
            "outage.restored",
            choices=menu.wishes("report_outage", "outage_credit"),
            number=last.number,
            at=last.restored_at,
        )
        return
    ask.say("outage.none_home", choices=(*menu.wishes("report_outage", "planned_outage"), elsewhere_status()))


def say_outage(ask: frame.Ask, outage: outages.Outage) -> None:
    """This will say an outage: its number, how far it is, until when, the crew, how many it took."""
    if outage.status == "RESTORED":
        ask.say("outage.restored", choices=menu.wishes("report_outage"), number=outage.number, at=outage.restored_at)
        return
    ask.say("outage.status", choices=menu.wishes("report_outage"), **outage_data(outage, ask))


def outage_data(outage: outages.Outage, ask: frame.Ask) -> dict[str, Any]:
    """This will give what is said of an outage; small numbers of homes are told as the ceiling, never exactly."""
    estimate = outage.estimated_restoration_at
    return {
        "number": outage.number,
        "status": outage.status,
        "crew": outage.crew_status,
        "cause": outage.cause,
        "planned": outage.planned,
        "started_at": outage.started_at,
        "estimate": ahead(estimate, ask),
        "late": estimate is not None and estimate <= ask.now,
        "affected": max(outage.affected, outages.FEWEST_TOLD),
        "few": outage.affected < outages.FEWEST_TOLD,
    }


def ahead(at: Any, ask: frame.Ask) -> Any:
    """This will give an estimate that still lies ahead; one that has passed is no promise any more."""
    return at if at is not None and at > ask.now else None


def elsewhere_status() -> Choice:
    """This will give the way to ask about another place."""
    return Choice("choice.another_place", '/outage_status{"choice":"ELSEWHERE"}')


ACTIONS = (ReportOutage, OutageStatus, OutageCredit, PlannedOutage)
