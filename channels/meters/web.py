"""The head-end's door for interval reads."""

from dataclasses import asdict

from flask import Blueprint, Response, jsonify, request

from channels import edge
from channels.meters import parse
from core import errors, log
from core.hub import Hub
from metering import operations as metering
from metering import queries as meters

logger = log.get(__name__)

SIGNATURE = "X-Wattline-Signature"


def blueprint(hub: Hub) -> Blueprint:
    """This will give POST /hooks/meters/reads: signed JSON lines, one meter's run of intervals a line."""
    door = edge.guard(Blueprint("meters", __name__), limit=8 * edge.MEGABYTE)

    @door.post("/hooks/meters/reads")
    def push() -> Response:
        body = request.get_data()
        if not parse.is_signed(hub.settings.secret_key, request.headers.get(SIGNATURE), body, hub.now()):
            raise errors.Refused("webhook.signature")
        counts = {"read": 0, "stored": 0, "unchanged": 0, "excepted": 0}
        unreadable: list[parse.Unreadable] = []
        for line in parse.lines(body):
            if isinstance(line, parse.Unreadable):
                unreadable.append(line)
                continue
            try:
                with hub.transaction() as session:
                    meter = meters.find_meter_by_number(session, number=line.meter_number)
                    if meter is None:
                        raise errors.NotFound("meter.unknown")
                    done = metering.record_reads(
                        session,
                        meter_id=meter.id,
                        starts_at=line.starts_at,
                        interval_minutes=line.interval_minutes,
                        wh=line.wh,
                        quality=line.quality,
                        source="HEAD_END",
                        now=hub.now(),
                    )
            except (
                errors.Invalid,
                errors.NotFound,
                errors.Refused,
            ) as exc:  # one meter must not stop the rest
                unreadable.append(parse.Unreadable(line.line, exc.code))
                continue
            counts["read"] += done.read
            counts["stored"] += done.stored
            counts["unchanged"] += done.unchanged
            counts["excepted"] += done.excepted
        return jsonify(**counts, unreadable=[asdict(u) for u in unreadable[:1000]])

    return door
