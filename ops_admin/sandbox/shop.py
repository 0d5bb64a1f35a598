"""A shop that takes cash for the utility: a till, the message about each payment, and the day's settlement file."""

import csv
import io
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from flask import Blueprint, Response, request

from ops_admin.sandbox import signing
from ops_admin.sandbox.courier import Letter
from ops_admin.sandbox.world import World

COLUMNS = ("transaction_id", "reference", "amount", "currency", "paid_at", "shop")
SHOP = "Corner Market, 12 Main Street"
# what a scanner sends of the barcode, its separator as it is or as brackets
_SCANNED = re.compile(r"\(?415\)?[0-9]{13}\(?8020\)?([0-9]+)(?:(?:\x1d|\()3902\)?([0-9]{1,15}))?")


def blueprint(world: World) -> Blueprint:
    """This will give /shop: the file that the partner lays out for the utility."""
    pages = Blueprint("shop", __name__, url_prefix="/shop")

    @pages.get("/settlement.csv")
    def settlement() -> Response:
        day = request.args.get("day", "")
        answer = Response(settlement_file(world, day), mimetype="text/csv")
        answer.headers["Content-Disposition"] = (
            f'attachment; filename="settlement{"-" + day if day.isdigit() else ""}.csv"'
        )
        return answer

    return pages


def pay(world: World, given: Mapping[str, Any]) -> dict[str, Any]:
    """This will take cash at the till for a typed or scanned reference; ValueError says what is wrong."""
    typed = "".join(str(given.get("reference") or "").split(" "))
    scanned = _SCANNED.fullmatch(typed)
    reference, fixed = (scanned[1], scanned[2]) if scanned else (typed.replace("-", ""), None)
    if not reference.isascii() or not reference.isdigit() or len(reference) > 25:
        raise ValueError("a reference is digits, typed or scanned")
    amount = _amount(str(given.get("amount") or "").strip().lstrip("$")) if given.get("amount") else None
    if amount is None and fixed is None:
        raise ValueError("how much is paid?")
    paid = {
        "transaction_id": f"SHOP-{world.store.next('shop-payment', 100001)}",
        "reference": reference,
        "amount": str(amount if amount is not None else Decimal(int(str(fixed))) / 100),
        "currency": str(given.get("currency") or "USD"),
        "paid_at": datetime.fromtimestamp(world.now(), UTC).isoformat(timespec="seconds"),
        "shop": SHOP,
    }
    with world.store.change():
        world.store.put("shop-payment", paid["transaction_id"], paid)
    if not world.switches.of("shop")["no_message"]:
        _tell(world, paid)
    return paid


def latest(world: World, most: int) -> list[dict[str, Any]]:
    """This will list the latest payments at the till, newest first."""
    return world.store.all("shop-payment", most, newest_first=True)


def settlement_file(world: World, day: str = "") -> str:
    """This will write the file of a day (2026-11-26), or of every day; twice each line when that switch is set."""
    out = io.StringIO()
    lines = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    lines.writeheader()
    copies = 2 if world.switches.of("shop")["duplicate"] else 1
    for paid in world.store.all("shop-payment"):
        if paid["paid_at"].startswith(day):
            lines.writerows([paid] * copies)
    return out.getvalue()


def _tell(world: World, paid: Mapping[str, Any]) -> None:
    body = json.dumps(paid).encode()

    def sign(raw: bytes) -> dict[str, str]:
        header = signing.stripe(world.config.cash_webhook_secret, int(world.now()), raw)
        return {"Content-Type": "application/json", "Shop-Signature": header}

    url = world.config.hub_public + world.config.shop_path
    world.courier.post(Letter("shop", "payment", url, body, sign, retry_on=lambda status: True), 0.3)


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError("an amount is a number such as 12.50") from None
    if not 0 < amount <= 100_000 or amount != amount.quantize(Decimal("0.01")):
        raise ValueError("an amount is a number such as 12.50")
    return amount.quantize(Decimal("0.01"))
