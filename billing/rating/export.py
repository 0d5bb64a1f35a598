"""Energy sent out: what it is set off against, what is paid for it, and what is carried to the next bill."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from billing.rating import demand, energy, exact, scene, terms, usage
from core import errors, periods

Ints = NDArray[np.int64]
_CARRIES = ("NET_METERING", "NET_METERING_CREDIT", "NET_BILLING_CREDIT")
_NETS = ("NET_METERING", "NET_METERING_CREDIT")
_HOURS = (0, 5, 11, 17)
_KWH = {
    "credit.kwh_sent": "Sent out, set off against use",
    "credit.kwh_brought": "Brought from the bill before",
    "credit.kwh_lapsed": "Surplus that lapsed with its period",
    "credit.kwh_carried": "Carried to the next bill",
    "credit.kwh_settled": "Surplus at the year's end",
}


@dataclass(frozen=True)
class Netted:
    """Use and export of a segment after they were set against each other.

    `scene` has the reads that energy is charged on; `used` [n, periods] stands for them under net metering.
    `sent` [n, periods] is paid for at the `sell` price; `settled` [n] at the year's end. `kwh` says where use was set
    off, by code: metered use, and these added to it, are the use that is charged.
    """

    scene: scene.Scene
    used: Ints | None
    sent: Ints | None
    settled: Ints | None
    state: usage.State | None
    kwh: Mapping[str, Ints] = field(default_factory=dict)


def net(s: scene.Scene, state: usage.State | None) -> Netted:
    """This will set export against use by the plan's rule; export that no rule covers is refused."""
    rule = s.plan.export
    sends = s.export_wh is not None and bool(s.export_wh.any())
    if not rule.pays:
        if sends:
            _refuse("the plan does not say what is paid for export", "metering")
        return Netted(s, None, None, None, state)
    carried = _state(s, state) if rule.metering in _CARRIES else state  # what is left of a plan before is paid out
    if rule.metering in _NETS:
        return _net_metering(s, carried)
    metered = s.used
    if rule.net_minutes is not None and s.export_wh is not None:
        s = _over_windows(s, rule.net_minutes)
    index, count = energy.index_of(s), len(s.plan.energy)
    sent = energy.by_period(s.export_wh, index, count) if s.export_wh is not None else None
    return Netted(s, None, sent, None, carried, {"credit.kwh_sent": s.used - metered})


def _net_metering(s: scene.Scene, carried: usage.State | None) -> Netted:
    assert carried is not None
    rule = s.plan.export
    index, count = energy.index_of(s), len(s.plan.energy)
    left = energy.by_period(s.wh, index, count)
    sent = np.zeros(s.n, dtype=np.int64)
    if s.export_wh is not None:
        left = left - energy.by_period(s.export_wh, index, count)
        sent = s.export_wh.sum(axis=1)
    if rule.metering == "NET_METERING_CREDIT":
        paid = np.maximum(-left, 0)
        return Netted(s, np.maximum(left, 0), paid, None, carried, {"credit.kwh_sent": paid.sum(axis=1) - sent})
    excess = np.maximum(carried.excess - left.sum(axis=1), 0)
    brought = carried.bank if rule.carry_by == "PERIOD" else _moved(s, carried.bank)
    left = left - brought
    bank = np.maximum(-left, 0)
    before, kept = carried.bank.sum(axis=1), bank.sum(axis=1)
    kwh = {
        "credit.kwh_sent": -sent, "credit.kwh_brought": -before, "credit.kwh_lapsed": before - brought.sum(axis=1),
        "credit.kwh_carried": kept,
    }  # fmt: skip
    settled = None
    if _true_up(s):
        settled = excess if rule.true_up_over == "TOTAL" else kept
        kwh["credit.kwh_settled"] = kwh.pop("credit.kwh_carried")
        excess, bank = np.zeros_like(excess), np.zeros_like(bank)
    return Netted(s, np.maximum(left, 0), None, settled, replace(carried, bank=bank, excess=excess), kwh)


def _moved(s: scene.Scene, bank: Ints) -> Ints:
    """A bank by the periods of this bill's month: that of the weekday's same hour, of four hours looked at (those of
    NREL's engine, whose day has quarters that begin at 0, 5, 11 and 17 o'clock). What is at none of them is not moved.
    """
    before = s.plan.weekday[(s.days.starts_on - timedelta(days=1)).month - 1]
    now = s.plan.weekday[s.days.starts_on.month - 1]
    moved = np.zeros_like(bank)
    for period in range(bank.shape[1]):
        hour = next((h for h in _HOURS if before[h] == period), None)
        if hour is not None:
            moved[:, now[hour]] += bank[:, period]
    return moved


def columns(s: scene.Scene, netted: Netted, power: demand.Power) -> list[usage.Column]:
    """This will give the lines for energy sent out: by period (and step, where the price differs by it), what the
    year's end settles, and what was set off in kWh, which costs nothing.
    """
    lines: list[usage.Column] = []
    filled: Ints | None = None
    for number, period in enumerate(s.plan.energy) if netted.sent is not None else ():
        assert netted.sent is not None
        if not netted.sent[:, number].any():
            continue
        prices = [tier.sell for tier in period.tiers]
        several = len(set(prices)) > 1
        if several and filled is None:
            filled = _by_step(netted, power)
        for step, price in enumerate(prices if several else prices[:1]):
            quantity = filled[:, number, step] if several and filled is not None else netted.sent[:, number]
            if not quantity.any():
                continue
            if price is None:
                _refuse("the price for export is missing", f"energy[{number}].sell")
            name = ", ".join(filter(None, ["Export credit", period.name, f"tier {step + 1}" if several else ""]))
            lines.append(
                s.column(
                    "credit", "credit.export_tier" if several else "credit.export", name, "kWh", -price, quantity,
                    s.per_kwh, present=quantity != 0,
                    args={"period": period.name} | ({"tier": str(step + 1)} if several else {}),
                )
            )  # fmt: skip
    rule = s.plan.export
    if netted.settled is not None and netted.settled.any() and not rule.credits_expire:
        lines.append(
            s.column(
                "credit", "credit.true_up", "Yearly settlement", "kWh", -rule.year_end_sell, netted.settled, s.per_kwh
            )
        )
    return lines + [
        s.column("credit", code, _KWH[code], "kWh", Decimal(0), quantity, s.per_kwh, present=quantity != 0)
        for code, quantity in netted.kwh.items()
        if quantity.any()
    ]


def _by_step(netted: Netted, power: demand.Power) -> Ints:
    """What was sent out, sorted into the steps that use is sorted into."""
    s = netted.scene
    if s.plan.export.metering in _NETS or s.export_wh is None:
        assert netted.sent is not None
        return energy.fill_netted(s, netted.sent, power)
    return energy.fill(replace(s, wh=s.export_wh), power)


def carry(
    s: scene.Scene, state: usage.State | None, lines: list[usage.Column]
) -> tuple[list[usage.Column], usage.State | None]:
    """This will use a carried credit, and hold back what this bill earned beyond what it may pay."""
    rule = s.plan.export
    credited = rule.metering == "NET_METERING" and rule.settlement == "CREDITED"
    if state is None:
        return [], state
    if not (credited or rule.metering in ("NET_METERING_CREDIT", "NET_BILLING_CREDIT")):
        if not state.credit_cents.any():
            return [], state
        paid = _money("credit.brought", "Credit brought forward", -state.credit_cents)  # from a plan before this one
        return [paid], replace(state, credit_cents=np.zeros_like(state.credit_cents))
    charged = np.maximum(_sum(s, lines, rule.credit_over), 0)
    earned = -_sum(s, lines, ("credit",))
    before = state.credit_cents
    payable = before + earned if rule.credit_applies == "SAME_BILL" else before
    after = before + earned - np.minimum(np.maximum(payable, 0), charged)
    out = [_money("credit.brought", "Credit brought forward", -before)]
    if _true_up(s) and (rule.settlement == "PAID" or s.settles):
        if rule.credits_expire:
            out.append(_money("credit.expired", "Credit that expires", after))
        else:
            out += [
                _money("credit.unused", "Credit not used", after),
                _money("credit.paid_out", "Credit paid out", -after),
            ]
        after = np.zeros_like(after)
    else:
        out.append(_money("credit.carried", "Credit carried forward", after))
    return [line for line in out if line.present.any()], replace(state, credit_cents=after)


def _over_windows(s: scene.Scene, minutes: int) -> scene.Scene:
    """Import and export netted over windows from the segment's first read; each stands at its window's start."""
    if minutes % s.interval_minutes:
        _refuse(f"{minutes} minutes are not a multiple of the reads' {s.interval_minutes}", "net_minutes")
    assert s.export_wh is not None
    starts = np.arange(0, s.wh.shape[1], minutes // s.interval_minutes)
    left = np.add.reduceat(s.wh - s.export_wh, starts, axis=1)
    wh, sent = np.zeros_like(s.wh), np.zeros_like(s.wh)
    wh[:, starts], sent[:, starts] = np.maximum(left, 0), np.maximum(-left, 0)
    return replace(s, wh=wh, export_wh=sent)


def _state(s: scene.Scene, state: usage.State | None) -> usage.State:
    if state is None:
        nothing = np.zeros(s.n, dtype=np.int64)
        return usage.State(np.zeros((s.n, len(s.plan.energy)), dtype=np.int64), nothing, nothing)
    if state.bank.shape != (s.n, len(s.plan.energy)):
        if state.bank.any():
            raise errors.Invalid(
                "rating.state", reason="kWh are carried for other periods than the plan has", where="state.bank"
            )
        state = replace(state, bank=np.zeros((s.n, len(s.plan.energy)), dtype=np.int64))
    if state.excess.shape != (s.n,) or state.credit_cents.shape != (s.n,):
        raise errors.Invalid("rating.state", reason="what is carried is of another number of accounts", where="state")
    return state


def hand_over(state: usage.State, before: terms.Plan, after: terms.Plan, per_kwh: int) -> usage.State:
    """This will give what a plan takes over from the one before it.

    Kilowatt-hours go on under a plan that keeps them by as many periods; else they become a credit, at the price of
    the year's end. A credit goes on under a plan that has credits; else the next bill pays it.
    """
    keeps = after.export.metering == "NET_METERING" == before.export.metering
    if (keeps and len(before.energy) == len(after.energy)) or not (state.bank.any() or state.excess.any()):
        return state
    rule = before.export
    left = state.excess if rule.true_up_over == "TOTAL" else state.bank.sum(axis=1)
    worth = exact.cents(left, per_kwh, rule.year_end_sell, Fraction(1), before.rounding)
    nothing = np.zeros_like(left)
    bank = np.zeros((len(left), len(after.energy)), dtype=np.int64)
    return usage.State(bank, nothing, state.credit_cents + (nothing if rule.credits_expire else worth))


def _true_up(s: scene.Scene) -> bool:
    if s.settles:
        return True
    month = s.plan.export.true_up_month
    if month is None:
        return False
    years = range(s.days.starts_on.year, s.days.ends_on.year + 1)
    return any(periods.month_of(date(year, month, 1)).ends_on - timedelta(days=1) in s.days for year in years)


def _money(code: str, description: str, cents: Ints) -> usage.Column:
    return usage.Column(
        component="credit",
        code=code,
        description=description,
        unit="",
        unit_price=Decimal("0.01"),
        quantity=cents,
        scale=1,
        cents=cents,
        present=cents != 0,
    )


def _sum(s: scene.Scene, lines: list[usage.Column], over: tuple[terms.Component, ...]) -> Ints:
    total = np.zeros(s.n, dtype=np.int64)
    for line in lines:
        if line.component in over:
            total = total + line.cents
    return total


def _refuse(reason: str, where: str) -> NoReturn:
    raise errors.Invalid("rating.export_unpriceable", reason=reason, where=where)
