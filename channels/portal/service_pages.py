"""Outages, requests and appointments, programs."""

from datetime import timedelta

import flask
from sqlalchemy.orm import Session

from billing import queries as bills
from channels import edge
from channels.portal.visitor import Visitor, find, signed_in
from core import crypto, errors
from core.fieldwork import operations as fieldwork
from core.fieldwork import queries as requests
from core.hub import Hub
from core.outages import operations as reporting
from core.outages import queries as outages
from core.programs import operations as joining
from core.programs import queries as programs

_KINDS = ("REPAIR", "MAINTENANCE", "METER_TEST", "NEW_CONNECTION", "TREE", "STREETLIGHT")


def add(pages: flask.Blueprint, hub: Hub) -> None:
    """This will add the pages about service."""

    @pages.get("/portal/outages")
    def outage_page() -> flask.typing.ResponseReturnValue:
        """Open to everybody by postcode; a signed-in customer sees their own home first."""
        now = hub.now()
        postcode = flask.request.args.get("postcode", "").strip()[:10]
        if postcode and not postcode.isalnum():
            raise errors.Invalid("outage.postcode")
        with hub.transaction() as session:
            visitor = flask.g.visitor = find(hub, session)
            point = visitor.point if visitor else None
            since = now - timedelta(days=7)
            own = outages.find_outage_at(session, service_point_id=point.id, now=now) if point else None
            planned = outages.list_planned(session, service_point_id=point.id, now=now) if point else ()
            recent = outages.list_recent_outages(session, service_point_id=point.id, since=since) if point else ()
            return flask.render_template(
                "portal/outages.html",
                point=point,
                own=own,
                updates=outages.list_updates(session, outage_id=own.id) if own else (),
                planned=planned,
                recent=[outage for outage in recent if outage.restored_at],
                areas=outages.list_areas(session, postcode=postcode or None),
                postcode=postcode,
            )

    @pages.post("/portal/outages/report")
    @signed_in(hub)
    def report(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        if visitor.point is None:
            raise errors.NotFound("account.no_service")
        reporting.report_outage(
            session,
            service_point_id=visitor.point.id,
            postcode=None,
            hazard=flask.request.form.get("hazard") == "yes",
            channel="WEB",
            key=f"portal:{crypto.token(9)}",
            now=hub.now(),
        )
        return flask.redirect(flask.url_for("portal.outage_page", done="report"))

    @pages.get("/portal/requests")
    @signed_in(hub)
    def request_list(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        now = hub.now()
        listed = requests.list_requests(session, account_id=visitor.account.id)
        chosen = flask.request.args.get("book")
        slots: tuple[requests.Slot, ...] = ()
        if chosen is not None:
            wanted = next((r for r in listed if r.number == chosen), None)
            if wanted is None:
                raise errors.NotFound("request.none")
            slots = requests.list_slots(session, kind=wanted.kind, after=now, limit=12)
        return flask.render_template(
            "portal/requests.html", requests=listed, kinds=_KINDS, chosen=chosen, slots=slots, now=now
        )

    @pages.post("/portal/requests")
    @signed_in(hub)
    def open_request(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        kind = flask.request.form.get("kind", "")
        description = flask.request.form.get("description", "").strip()[:2000]
        if kind not in _KINDS or not description:
            raise errors.Invalid("request.description")
        made = fieldwork.open_request(
            session,
            kind=kind,
            account_id=visitor.account.id,
            customer_id=visitor.customer.id,
            description=description,
            data={},
            key=f"portal:{crypto.token(9)}",
            now=hub.now(),
        )
        return flask.redirect(flask.url_for("portal.request_list", book=made.number))

    @pages.post("/portal/appointments")
    @signed_in(hub)
    def book(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        """Booking, moving and cancelling: one form each, the same rules as on every other door."""
        form, now = flask.request.form, hub.now()
        key = f"portal:{crypto.token(9)}"
        act = form.get("act", "")
        if act == "book":
            request = requests.get_request(session, number=form.get("request", ""), account_id=visitor.account.id)
            if request.appointment is not None and request.appointment.status == "BOOKED":
                fieldwork.move_appointment(
                    session,
                    appointment_id=request.appointment.id,
                    slot_id=edge.whole(form.get("slot")),
                    key=key,
                    now=now,
                )
            else:
                fieldwork.book_appointment(
                    session, request_id=request.id, slot_id=edge.whole(form.get("slot")), key=key, now=now
                )
        elif act == "cancel":
            own = requests.get_appointment(
                session, appointment_id=edge.whole(form.get("appointment")), account_id=visitor.account.id
            )
            fieldwork.cancel_appointment(session, appointment_id=own.id, key=key, now=now)
        else:
            raise errors.Invalid("appointment.act")
        return flask.redirect(flask.url_for("portal.request_list", done=act))

    @pages.get("/portal/programs")
    @signed_in(hub)
    def program_list(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        account = visitor.account
        enrolments = programs.list_enrolments(session, account_id=account.id)
        return flask.render_template(
            "portal/programs.html",
            programs=programs.list_programs(session, customer_kind=account.customer_kind, on=visitor.today),
            enrolled={e.program.code: e for e in enrolments if e.status in ("REQUESTED", "ACTIVE")},
            rebates=programs.list_rebates(session, account_id=account.id),
            tips=bills.list_tips(session, account_id=account.id, now=hub.now()),
        )

    @pages.post("/portal/programs")
    @signed_in(hub)
    def enroll(session: Session, visitor: Visitor) -> flask.typing.ResponseReturnValue:
        code, point = flask.request.form.get("program", "")[:60], visitor.point
        agreement_id = point.agreement_id if point else None
        plan = bills.current_tariff(session, agreement_id=agreement_id, on=visitor.today) if agreement_id else None
        joining.enroll(
            session,
            account_id=visitor.account.id,
            program_code=code,
            key=f"portal:{visitor.account.id}:{code}:{visitor.today}",
            now=hub.now(),
            declared=tuple(flask.request.form.getlist("declared"))[:5],
            tariff_kind=plan.kind if plan else None,
        )
        return flask.redirect(flask.url_for("portal.program_list", done="enroll"))
