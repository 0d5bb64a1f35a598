"""What is charged beside energy and demand: fixed charges, riders, the minimum, taxes."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from billing.rating import exact, scene, terms, usage
from core import errors

Ints = NDArray[np.int64]
_PAID_OUT = ("credit.paid_out",)
_SETTLES = ("credit.true_up", *_PAID_OUT)


def fixed(s: scene.Scene) -> list[usage.Column]:
    """This will give the monthly and the daily charge of the segment."""
    lines = []
    if s.plan.fixed_monthly:
        months = s.factor("fixed", s.pieces)
        lines.append(
            s.column(
                "fixed", "fixed.month", "Fixed charge", "month",
                s.plan.fixed_monthly, months.numerator, months.denominator,
            )
        )  # fmt: skip
    if s.plan.fixed_daily:
        lines.append(s.column("fixed", "fixed.day", "Daily charge", "day", s.plan.fixed_daily, len(s.days), 1))
    return lines


def riders(s: scene.Scene, before: Sequence[usage.Column]) -> list[usage.Column]:
    """This will give a line per rider version in force; percentages stand on the cents of the lines `before`."""
    lines: list[usage.Column] = []
    for rider in s.plan.riders:
        pieces = scene.in_force(s.days, rider.starts_on, rider.ends_on, rider.of_months)
        if not pieces:
            continue
        days = sum(len(piece) for piece in pieces)
        span = pieces[0] if pieces != (s.days,) and len(pieces) == 1 else None
        code = f"rider.{rider.kind.lower()}"
        quantity: Ints | int
        if rider.kind == "PER_KWH":
            own = [s.used if piece == s.days else s.wh[:, s.between(piece)].sum(axis=1) for piece in pieces]
            quantity = np.sum(own, axis=0)
            unit, scale = "kWh", s.per_kwh
        elif rider.kind == "PER_DAY":
            quantity, unit, scale = days, "day", 1
        elif rider.kind == "PER_MONTH":
            months = s.factor("fixed", tuple(m for piece in pieces for m in scene.by_month(piece)))
            quantity, unit, scale = months.numerator, "month", months.denominator
        else:
            quantity, unit, scale = _sum(s, before, rider.over) * days, "%", 100 * len(s.days)
        lines.append(
            s.column(
                "rider",
                code,
                rider.description,
                unit,
                rider.price,
                quantity,
                scale,
                days=span,
                args={"rider": rider.code},
            )
        )
    return lines


def minimum(
    s: scene.Scene,
    scenes: Sequence[scene.Scene],
    lines: Sequence[usage.Column],
    year_to_date: Ints | None,
) -> tuple[list[usage.Column], Ints]:
    """This will lift the whole bill to its minimum, and in the bill of 31 December the year to its own.

    Gives the lines, and the cents with which the bill counts towards the year's.

    Each segment brings its plan's minimum for its days; the last one's plan says which components count.
    """
    least = sum(
        (
            Fraction(each.plan.minimum_monthly) * each.factor("minimum", each.pieces)
            + Fraction(each.plan.minimum_daily) * len(each.days)
            for each in scenes
        ),
        Fraction(0),
    )
    # a credit beyond the charges does not raise the minimum, and the year's settlement is no part of the month
    settles = _SETTLES if s.plan.export.settlement == "PAID" else _PAID_OUT
    reached = np.maximum(_sum(s, [line for line in lines if line.code not in settles], s.plan.minimum_over), 0)
    # a plan without a minimum may owe the customer: credit for export, or a discount, is not lifted to nothing
    lacking = np.maximum(_cents(s, least) - reached, 0) if least else np.zeros_like(reached)
    out = [_lift(least, lacking, "minimum", "Minimum charge", "month")]
    counts = reached + lacking if s.plan.annual_minimum_counts == "CHARGES_AND_MINIMUM" else reached
    annual = Fraction(s.plan.minimum_annual)
    if annual and date(s.whole.starts_on.year, 12, 31) in s.whole:
        before = year_to_date
        if before is None and (counts >= _cents(s, annual)).all():
            before = np.zeros_like(reached)  # this bill alone is above it
        if before is None:
            raise errors.Invalid(
                "rating.year_to_date",
                reason="an annual minimum needs what was charged from 1 January on",
                where="minimum_annual",
            )
        short = np.maximum(_cents(s, annual) - before - counts, 0)
        out.append(_lift(annual, short, "minimum.annual", "Annual minimum charge", "year"))
    return [column for column in out if column.present.any()], counts


def _cents(s: scene.Scene, amount: Fraction) -> int:
    return int(exact.divide(np.ones(1, dtype=np.int64), amount.numerator * 100, amount.denominator, s.plan.rounding)[0])


def _lift(least: Fraction, lacking: Ints, code: str, description: str, unit: str) -> usage.Column:
    """What lacks to a minimum, as one line each: its unit price is the amount itself, for it differs by
    account.
    """
    return usage.Column(
        component="minimum",
        code=code,
        description=description,
        unit="",
        unit_price=Decimal("0.01"),
        quantity=lacking,
        scale=1,
        cents=lacking,
        present=lacking > 0,
        args={"minimum": f"{scene.shown(least):f}", "per": unit},
    )


def taxes(s: scene.Scene, lines: Sequence[usage.Column], exempt: Mapping[str, NDArray[np.bool_]]) -> list[usage.Column]:
    """This will tax the printed cents of the segment's lines; versions of a tax share them by days."""
    out: list[usage.Column] = []
    for tax in s.plan.taxes:
        pieces = scene.in_force(s.days, tax.starts_on, tax.ends_on)
        if not pieces:
            continue
        base = _sum(s, lines, tax.over)
        if tax.key in exempt:
            base = np.where(exempt[tax.key], 0, base)
        out.append(
            s.column(
                "tax", "tax", tax.description, "%", tax.percent, base * len(pieces[0]), 100 * len(s.days),
                days=None if pieces == (s.days,) else pieces[0], args={"tax": tax.code},
            )
        )  # fmt: skip
    return out


def _sum(s: scene.Scene, lines: Sequence[usage.Column], over: Sequence[terms.Component]) -> Ints:
    total = np.zeros(s.n, dtype=np.int64)
    for line in lines:
        if line.component in over:
            total = total + line.cents
    return total
