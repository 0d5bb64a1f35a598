"""The same bill by the longest way: one account, one interval at a time, fractions and no arrays. Slow and plain.

It shares nothing with the engine but the terms. Covered: fixed, energy (all scopes), demand by season and period,
riders, minimum, taxes, proration, rounding.
"""

from collections import defaultdict
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
    def __init__(self, plan: terms.Plan, starts_on: date, ends_on: date, zone: str, minutes: int) -> None:
        self.plan, self.start, self.end, self.minutes = plan, starts_on, ends_on, minutes
        self.zone = ZoneInfo(zone)
        self.days = (ends_on - starts_on).days

    def bill(self, wh: list[int]) -> dict[str, int]:
        """Cents by component, and the whole."""
        reads = []
        at = datetime(self.start.year, self.start.month, self.start.day, tzinfo=self.zone).astimezone(ZoneInfo("UTC"))
        for value in wh:
            reads.append((at.astimezone(self.zone), value))
            at += timedelta(minutes=self.minutes)
        cents: dict[str, int] = defaultdict(int)
        plan = self.plan
        cents["fixed"] += self.money(Fraction(plan.fixed_monthly) * self.months("fixed", self.all_days()))
        cents["fixed"] += self.money(Fraction(plan.fixed_daily) * self.days)
        self.energy(reads, cents)
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
        if what not in plan.prorates or plan.proration == "NONE" or (window and window[0] <= self.days <= window[1]):
            return Fraction(len(days), self.days)
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
        out = []
        for tier in period.tiers[:-1]:
            counts = Fraction(len(days)) if tier.unit == "KWH_DAILY" else self.months("tiers", days)
            out.append(half_up(Fraction(tier.limit) * 1000 * counts))
        return out

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
        kw = lambda wh: Fraction(wh * 60, 1000 * self.minutes)  # noqa: E731
        for number in sorted(set(terms_.flat_months)) if terms_.flat else []:
            days = [d for d in self.all_days() if terms_.flat_months[d.month - 1] == number]
            if days:
                highest = max([kw(wh) for local, wh in reads if local.date() in set(days)], default=Fraction(0))
                self.charge(max(highest, Fraction(terms_.minimum_kw)), terms_.flat[number].tiers, days, cents)
        for number, period in enumerate(terms_.periods):
            inside = [kw(wh) for local, wh in reads if self.period(local, terms_.weekday, terms_.weekend) == number]
            days = [
                d
                for d in self.all_days()
                if number in set(terms_.weekday[d.month - 1]) | set(terms_.weekend[d.month - 1])
            ]
            if inside:
                self.charge(max([*inside, Fraction(terms_.minimum_kw)]), period.tiers, days, cents)

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
