"""Sharing money and days: nothing is lost, nothing is made."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import allocation, catalogue, daily, explanation, ledger, rating, validations
from core.periods import Days
from metering import queries as metering

ITEMS = st.lists(
    st.builds(
        allocation.Item,
        key=st.uuids().map(str),
        kind=st.sampled_from(["BILL", "LATE_FEE"]),
        due_on=st.dates(date(2026, 1, 1), date(2026, 12, 31)),
        open_cents=st.integers(0, 50_000),
        disputed=st.booleans(),
    ),
    max_size=8,
)


@given(st.integers(0, 200_000), ITEMS)
def test_allocation_conserves_money_and_never_overpays(cents, items):
    shares, rest = allocation.allocate(cents, items)
    owed = {item.key: item.open_cents for item in items}
    assert sum(c for _, c in shares) + rest == cents
    assert all(0 < c <= owed[key] for key, c in shares)
    assert rest == 0 or sum(c for _, c in shares) == sum(owed.values())


def test_the_oldest_is_paid_first_a_dispute_last_and_the_named_one_before_all():
    def item(key, day, kind="BILL", disputed=False):
        return allocation.Item(key, kind, date(2026, 1, day), 100, disputed)

    items = [item("new", 9), item("old", 1, disputed=True), item("fee", 2, "LATE_FEE"), item("mid", 2)]
    assert [key for key, _ in allocation.allocate(400, items)[0]] == ["mid", "fee", "new", "old"]
    assert [key for key, _ in allocation.allocate(150, items, first="new")[0]] == ["new", "mid"]
    plain = allocation.Order(disputed_last=False, kinds=("LATE_FEE", "BILL"))
    assert [key for key, _ in allocation.allocate(250, items, order=plain)[0]] == ["old", "fee", "mid"]


@given(st.integers(1, 10**7), st.integers(1, 24))
def test_instalments_add_up_and_differ_by_a_cent_at_most(total, count):
    if total < count:
        with pytest.raises(ValueError):
            allocation.instalments(total, count)
        return
    parts = allocation.instalments(total, count)
    assert sum(parts) == total and len(parts) == count and max(parts) - min(parts) <= 1


@given(st.integers(-5000, 500_000), st.lists(st.integers(0, 10_000), min_size=1, max_size=40))
def test_a_split_adds_up(cents, weights):
    if sum(weights):
        assert sum(daily.split(cents, weights)) == cents


@given(
    st.integers(0, 60_000), st.integers(0, 9000),
    st.lists(st.tuples(st.integers(-50, 4000), st.integers(0, 90_000)), min_size=1, max_size=31),
)  # fmt: skip
def test_days_share_a_total(total, base, days):
    shares = daily.share(total, base, [s for s, _ in days], [w for _, w in days])
    assert sum(shares) == total


def test_a_journal_out_of_balance_cannot_even_be_named():
    with pytest.raises(ValueError, match="out of balance"):
        ledger.Journal("k", "BILL", 1, date(2026, 1, 1), {ledger.RECEIVABLE: 100, ledger.REVENUE: -99})


def test_gaps_are_filled_for_pricing_and_nothing_known_is_nothing():
    wh = np.tile(np.arange(24, dtype=np.int64) * 100, (2, 3))
    wh[0, 30:36], wh[0, 5], wh[1] = -1, -1, -1
    matrix = metering.Matrix((1, 2), datetime(2026, 11, 2, tzinfo=UTC), 60, wh, np.zeros_like(wh, dtype=np.uint8))
    filled = metering.without_gaps(matrix, "Etc/UTC")
    assert filled[0].tolist() == [n % 24 * 100 for n in range(72)] and wh[0, 30] == -1
    assert filled[1].sum() == 0


def facts(**changed):
    """A usual bill of 30 days: 600 kWh, 102.00, as every month before."""
    one = {
        "customer_kind": "RESIDENTIAL", "filled": 0, "estimated": 0, "wh": 600_000, "top_wh": 2000, "zeros": 0,
        "total_cents": 10_200, "lines": 3, "usual_wh": 20_000.0, "usual_cents": 340.0, "best_wh": 25_000.0, "bills": 12,
        "estimated_bills": 0, "last_ends": 1000, "version": 1, "first_day": False, "last_day": False,
    }  # fmt: skip
    whole = {"starts": 1000, "ends": 1030, "segments": 1, "intervals": 720, "interval_minutes": 60}
    cents = changed.pop("cents", None) or {"energy": changed.get("total_cents", 10_200)}
    whole |= {key: changed.pop(key) for key in list(changed) if key in whole}
    arrays = {key: np.array([value]) for key, value in (one | changed).items()}
    return validations.Facts(**arrays, **whole, cents={name: np.array([c]) for name, c in cents.items()})


@pytest.mark.parametrize(
    ("changed", "codes"),
    [
        ({}, ()),
        ({"total_cents": -1}, ("NEGATIVE_BILL", "NEGATIVE_ENERGY")),
        ({"cents": {"energy": 10_199}}, ("TOTAL_DIFFERS",)),
        ({"filled": 73, "estimated": 73}, ("MISSING_READS",)),
        ({"filled": 72, "estimated": 72}, ()),
        ({"wh": 0, "top_wh": 0}, ("ZERO_USAGE",)),
        ({"total_cents": 31_000}, ("HIGH_BILL",)),
        ({"total_cents": 29_000}, ()),
        ({"top_wh": 101_000}, ("ABOVE_THE_FUSE",)),
        ({"last_ends": 1010}, ("OVERLAPS_LAST_BILL",)),
        ({"estimated": 400, "estimated_bills": 3}, ()),
    ],
)
def test_what_holds_a_bill(changed, codes):
    found = validations.kept(validations.look(facts(**changed))[0])
    assert tuple(c for c in found if validations.BY_CODE[c].severity == "ERROR") == codes
    assert validations.hold_code(found) == (codes[0] if codes else None)


def test_bill_after_bill_without_a_true_read_is_shown_to_staff():
    assert validations.kept(validations.look(facts(estimated=400, estimated_bills=3))[0])[0] == "PROLONGED_ESTIMATION"


def test_where_nothing_is_known_nothing_is_unusual():
    bare = {"usual_wh": np.nan, "usual_cents": np.nan, "best_wh": np.nan, "bills": 0, "last_ends": 0}
    struck = validations.look(facts(**bare, total_cents=900_000))[0]
    assert validations.kept(struck) == ()
    assert [c.code for c, yes in zip(validations.ORDERED, struck, strict=True) if yes] == ["FIRST_BILL"]


def test_every_check_has_its_sentence_and_its_name_once():
    assert len(validations.BY_CODE) == len(validations.CHECKS)
    assert {check.key for check in validations.CHECKS} == set(validations.SENTENCES)


def test_every_published_plan_is_priced_and_its_days_are_fixed_by_the_day_it_is_loaded():
    documents = catalogue.published(date(2026, 11, 23))
    assert [d["label"] for d in documents] == [
        "BUS-DEMAND",
        "BUS-FLAT",
        "BUS-SMALL",
        "RES-CAR",
        "RES-EV",
        "RES-FLAT",
        "RES-HOUR",
        "RES-SOLAR",
        "RES-TIER",
        "RES-TOU",
    ]
    for document in documents:
        plan = catalogue.plan_of(document)
        fuel = [r for r in plan.riders if r.code == "FUEL"]
        days = [(None, date(2026, 7, 1)), (date(2026, 7, 1), None)]
        # at the price of the hour the fuel is in the price
        assert [(r.starts_on, r.ends_on) for r in fuel] == ([] if plan.index else days)
        free = catalogue.exempt(document, ["Brightwater", "Elsewhere"], ["RESIDENTIAL", "BUSINESS"])
        assert free["CITY_UTILITY:Brightwater"].tolist() == [False, True]
        assert free["SALES:BUSINESS"].tolist() == [True, False]
        assert "GROSS_RECEIPTS" not in free
    assert catalogue.plan_of(documents[9]).holidays.names[0] == "NEW_YEARS_DAY"


def test_versions_of_a_tax_are_each_owed_by_their_own_customers():
    """Two cities with a rate each under one code: nobody pays both, and nobody neither."""
    tax = {"code": "CITY", "description": "City tax"}
    taxes = [{**tax, "percent": "2", "cities": ["Here"]}, {**tax, "percent": "3", "cities": ["There"]}]
    document = {
        "label": "X", "energyratestructure": [[{"rate": 0.1}]], "fixedmonthlycharge": 100, "wattline": {"taxes": taxes},
    }  # fmt: skip
    march = Days(date(2026, 3, 1), date(2026, 4, 1))
    used = rating.Usage(datetime(2026, 3, 1, tzinfo=UTC), 60, "UTC", np.zeros((3, 744), dtype=np.int64))
    free = catalogue.exempt(document, ["Here", "There", "Nowhere"], ["RESIDENTIAL"] * 3)
    rated = rating.rate(catalogue.plan_of(document), used, march, exempt=free)
    assert rated.sum_cents("tax").tolist() == [200, 300, 0]


@given(st.integers(27, 33), st.integers(27, 33), st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 400))
def test_drivers_add_up_whatever_changed(days_now, days_then, now_wh, then_wh, extra):
    plan = catalogue.plan_of(catalogue.published(date(2026, 11, 23))[8])
    after = date(2026, 5, 20)

    def side(starts_on, days, wh, more):
        period = Days(starts_on, date.fromordinal(starts_on.toordinal() + days))
        used = rating.Usage(
            datetime(starts_on.year, starts_on.month, starts_on.day, tzinfo=UTC), 60, "UTC",
            (wh + more * (np.arange(days * 24) % 7)).astype(np.int64)[None, :],
        )  # fmt: skip
        rated = rating.rate(plan, used, period)
        printed = {c: int(rated.sum_cents(c)[0]) for c in ("fixed", "energy", "rider", "minimum", "tax")}
        return explanation.Side(period, (rating.Segment(period, plan),), used, printed)

    then = side(after, days_then, then_wh, 0)
    now = side(then.days.ends_on, days_now, now_wh, extra)
    found = explanation.drivers(now, then)
    assert set(found) == set(explanation.KINDS) - {"EXPORT"}
    assert sum(found.values()) == now.total - then.total
    if days_now == days_then:
        assert found["DAYS"] == 0


def test_a_stretch_keeps_the_average_day():
    rows = [np.array([n, 2 * n], dtype=np.int64) for n in range(10, 40)]
    longer = explanation.stretch(rows, 33)
    assert len(longer) == 33
    assert sum(int(r.sum()) for r in longer) == round(sum(int(r.sum()) for r in rows) * Decimal(33) / 30)
