"""The same bill by the longest way: one account, one interval at a time, fractions and no arrays. Slow and plain.

It shares nothing with the engine but the terms. Covered: fixed, energy (all scopes), demand by season and period,
ratchets, blocks per kW, the price of the hour, riders, minimum, taxes, proration, rounding.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from billing.rating import terms


def round_cents(amount: Fraction, rounding: str) -> int:
    size = abs(amount) * 100
    whole, rest = divmod(size, 1)
    up = rest > Fraction(1, 2) or (rest == Fraction(1, 2) and (rounding == "HALF_UP" or whole % 2 == 1))
    return int(whole + up) * (-1 if amount < 0 else 1)


def half_up(value: Fraction) -> int:
    return int(value + Fraction(1, 2))


class Oracle:
    def __init__(
        self, plan: terms.Plan, starts_on: date, ends_on: date, zone: str, minutes: int,
        history: dict[tuple[int, int], int] | None = None, micros: Sequence[int] = (), whole: int | None = None,
    ) -> None:  # fmt: skip
        """`micros` is the price of each interval, in millionths a kWh, where the plan follows an index; `whole` are the
        days of the bill period, where these are a part of it.
        """
        self.micros = micros
        self.plan, self.start, self.end, self.minutes = plan, starts_on, ends_on, minutes
        self.history = history or {}
        self.scale = 1000 * minutes  # wh x 60 / scale is kW
        self.zone = ZoneInfo(zone)
        self.days = (ends_on - starts_on).days
        self.whole = whole or self.days

    def bill(self, wh: list[int]) -> dict[str, int]:
        """Cents by component, and the whole."""
        reads = []
        at = datetime(self.start.year, self.start.month, self.start.day, tzinfo=self.zone).astimezone(ZoneInfo("UTC"))
        for value in wh:
            reads.append((at.astimezone(self.zone), value))
            at += timedelta(minutes=self.minutes)
        cents: dict[str, int] = defaultdict(int)
        plan = self.plan
        self.power = self.step_power(reads)
        cents["fixed"] += self.money(Fraction(plan.fixed_monthly) * self.months("fixed", self.all_days()))
        cents["fixed"] += self.money(Fraction(plan.fixed_daily) * self.days)
        self.energy(reads, cents)
        if plan.index is not None:
            cost = sum(value * price for value, price in zip(wh, self.micros, strict=True))
            cents["energy"] += self.money(Fraction(cost, 1000 * 1_000_000) * Fraction(plan.index.multiplier))
            cents["rider"] += self.money(Fraction(sum(wh), 1000) * Fraction(plan.index.adder))
        self.demand(reads, cents)
        self.riders(reads, cents)
        least = Fraction(plan.minimum_monthly) * self.months("minimum", self.all_days())
        least += Fraction(plan.minimum_daily) * self.days
        cents["minimum"] = max(0, self.money(least) - sum(cents[c] for c in plan.minimum_over)) if least else 0
        base = {name: cents[name] for name in list(cents)}
        for tax in plan.taxes:
            days = [d for d in self.all_days() if self.in_force(tax, d)]
            over = sum(base.get(c, 0) for c in tax.over)
            cents["tax"] += self.money(
                Fraction(over, 100) * Fraction(tax.percent) / 100 * Fraction(len(days), self.days)
            )
        cents["total"] = sum(cents.values())
        return dict(cents)

    def money(self, amount: Fraction) -> int:
        return round_cents(amount, self.plan.rounding)

    def all_days(self) -> list[date]:
        return [self.start + timedelta(days=n) for n in range(self.days)]

    def months(self, what: str, days: list[date]) -> Fraction:
        plan = self.plan
        window = plan.proration_window
        if what not in plan.prorates or plan.proration == "NONE" or (window and window[0] <= self.whole <= window[1]):
            return Fraction(len(days), self.whole)
        if plan.proration == "DAYS_30":
            return Fraction(len(days), 30)
        if plan.proration == "DAYS_365_12":
            return Fraction(len(days)) / (Fraction(365) / 12)
        total = Fraction(0)
        for day in days:
            following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
            total += Fraction(1, (following - day.replace(day=1)).days)
        return total

    def in_force(self, dated: terms.Rider | terms.Tax, day: date) -> bool:
        after = dated.starts_on is None or day >= dated.starts_on
        return after and (dated.ends_on is None or day < dated.ends_on)

    def period(self, local: datetime, weekday: terms.Schedule, weekend: terms.Schedule) -> int:
        off = local.weekday() >= 5 or local.date() in self.plan.holidays.dates
        return (weekend if off else weekday)[local.month - 1][local.hour]

    def tops(self, period: terms.EnergyPeriod, days: list[date]) -> list[int]:
        out: list[int] = []
        block = None
        for number, tier in enumerate(period.tiers[:-1]):
            counts = Fraction(len(days)) if tier.unit.endswith("DAILY") else self.months("tiers", days)
            below = out[-1] if out else 0
            if tier.unit.startswith("KWH_PER_KW"):
                block = half_up(Fraction(tier.limit) * counts * 1000 * self.power / self.scale)
                following = period.tiers[number + 1]
                inside = not following.unit.startswith("KWH_PER_KW") and following.limit is not None
                out.append(below if inside else max(below, block))
                continue
            top = block if tier.limit is None else half_up(Fraction(tier.limit) * 1000 * counts)
            out.append(max(below, top if block is None else min(block, top)))
        return out

    def step_power(self, reads: list[tuple[datetime, int]]) -> int:
        """The demand that steps per kW grow with, x scale."""
        demand = self.plan.demand
        if demand is None or demand.ratchet is None or "STEPS" not in demand.ratchet.over:
            return max((wh * 60 for _, wh in reads), default=0)
        return max(self.own(reads, self.all_days()), self.floor("STEPS"))

    def own(self, reads: list[tuple[datetime, int]], days: list[date]) -> int:
        ratchet = self.plan.demand.ratchet
        best = 0
        for month in {d.month for d in days}:
            high = max(
                (wh * 60 for local, wh in reads if local.month == month and local.date() in set(days)), default=0
            )
            if ratchet is not None and month in ratchet.shared_months:
                high = half_up(Fraction(high) * Fraction(ratchet.share(month)) / 100)
            best = max(best, high)
        return best

    def floor(self, over: str) -> int:
        demand = self.plan.demand
        least = half_up(Fraction(demand.minimum_kw) * self.scale)
        ratchet = demand.ratchet
        if ratchet is None or over not in ratchet.over:
            return least
        year, month = self.start.year, self.start.month
        for _ in range(ratchet.months):
            year, month = (year, month - 1) if month > 1 else (year - 1, 12)
            if not ratchet.of_months or month in ratchet.of_months:
                share = Fraction(ratchet.share(month)) / 100 * Fraction(self.scale, 1000)
                least = max(least, half_up(self.history[year, month] * share))
        return least

    def energy(self, reads: list[tuple[datetime, int]], cents: dict[str, int]) -> None:
        plan = self.plan
        sums: dict[tuple[int, int], int] = defaultdict(int)
        if plan.tier_scope == "PER_PERIOD":
            used: dict[int, int] = defaultdict(int)
            for local, wh in reads:
                used[self.period(local, plan.weekday, plan.weekend)] += wh
            for number, wh in used.items():
                seen = [d for d in self.all_days() if number in self.in_month(d)]
                for step, part in enumerate(self.ladder(wh, self.tops(plan.energy[number], seen))):
                    sums[number, step] += part
        else:
            for days in self.runs():
                inside = [(local, wh) for local, wh in reads if local.date() in set(days)]
                tops = self.tops(plan.energy[min(self.in_month(days[0]))], days)
                if plan.tier_scope == "CHRONOLOGICAL":
                    before = 0
                    for local, wh in inside:
                        number = self.period(local, plan.weekday, plan.weekend)
                        now = self.ladder(before + wh, tops)
                        then = self.ladder(before, tops)
                        for step in range(len(now)):
                            sums[number, step] += now[step] - then[step]
                        before += wh
                else:
                    self.prorata(inside, tops, sums)
        self.steps = {key: wh for key, wh in sums.items() if wh}
        for (number, step), wh in sums.items():
            cents["energy"] += self.money(Fraction(wh, 1000) * Fraction(plan.energy[number].tiers[step].price))

    def prorata(self, inside: list[tuple[datetime, int]], tops: list[int], sums: dict[tuple[int, int], int]) -> None:
        used: dict[int, int] = defaultdict(int)
        for local, wh in inside:
            used[self.period(local, self.plan.weekday, self.plan.weekend)] += wh
        total = sum(used.values())
        steps = self.ladder(total, tops)
        for number, wh in used.items():
            shares = [wh * step // total if total else 0 for step in steps]
            largest = max(range(len(shares)), key=lambda t: (shares[t], -t))
            shares[largest] += wh - sum(shares)
            for step, share in enumerate(shares):
                sums[number, step] += share

    def ladder(self, wh: int, tops: list[int]) -> list[int]:
        out, below = [], 0
        for top in tops:
            out.append(max(0, min(wh, top) - below))
            below = top
        return [*out, max(0, wh - below)]

    def in_month(self, day: date) -> set[int]:
        return set(self.plan.weekday[day.month - 1]) | set(self.plan.weekend[day.month - 1])

    def runs(self) -> list[list[date]]:
        runs: list[tuple[list, list[date]]] = []
        for day in self.all_days():
            limits = [(t.limit, t.unit) for t in self.plan.energy[min(self.in_month(day))].tiers[:-1]]
            if runs and runs[-1][0] == limits:
                runs[-1][1].append(day)
            else:
                runs.append((limits, [day]))
        return [days for _, days in runs]

    def demand(self, reads: list[tuple[datetime, int]], cents: dict[str, int]) -> None:
        terms_ = self.plan.demand
        if terms_ is None:
            return
        for number in sorted(set(terms_.flat_months)) if terms_.flat else []:
            days = [d for d in self.all_days() if terms_.flat_months[d.month - 1] == number]
            if days:
                highest = max(self.own(reads, days), self.floor("FLAT"))
                self.charge(Fraction(highest, self.scale), terms_.flat[number].tiers, days, cents)
        by_month = terms_.ratchet is not None and "PERIODS_BY_MONTH" in terms_.ratchet.over
        for number, period in enumerate(terms_.periods):
            inside = [wh * 60 for local, wh in reads if self.period(local, terms_.weekday, terms_.weekend) == number]
            days = [
                d
                for d in self.all_days()
                if number in set(terms_.weekday[d.month - 1]) | set(terms_.weekend[d.month - 1])
            ]
            if inside:
                kinds = [self.own(reads, self.all_days()), self.floor("PERIODS_BY_MONTH")]
                highest = max(kinds if by_month else [*inside, self.floor("PERIODS")])
                self.charge(Fraction(highest, self.scale), period.tiers, days, cents)

    def charge(
        self, kw: Fraction, tiers: tuple[terms.DemandTier, ...], days: list[date], cents: dict[str, int]
    ) -> None:
        below = Fraction(0)
        for tier in tiers:
            top = kw if tier.limit is None else min(kw, Fraction(tier.limit))
            part = max(Fraction(0), top - below)
            cents["demand"] += self.money(part * Fraction(tier.price) * self.months("demand", days))
            below = below if tier.limit is None else Fraction(tier.limit)

    def riders(self, reads: list[tuple[datetime, int]], cents: dict[str, int]) -> None:
        before = {name: cents[name] for name in ("fixed", "energy", "demand")}
        for rider in self.plan.riders:
            days = [d for d in self.all_days() if self.in_force(rider, d)]
            price = Fraction(rider.price)
            if rider.kind == "PER_KWH":
                cents["rider"] += self.money(
                    price * Fraction(sum(wh for local, wh in reads if local.date() in set(days)), 1000)
                )
            elif rider.kind == "PER_DAY":
                cents["rider"] += self.money(price * len(days))
            elif rider.kind == "PER_MONTH":
                cents["rider"] += self.money(price * self.months("fixed", days))
            else:
                base = Fraction(sum(before[c] for c in rider.over), 100)
                cents["rider"] += self.money(base * price / 100 * Fraction(len(days), self.days))
