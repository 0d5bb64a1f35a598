"""Plans as inputs of NREL's engine (`nrel-pysam`, Utilityrate5), and its year as dollars by month and component.

Only what that engine can say: its year has 365 days, starts on a Monday, and knows no holidays, riders or taxes.
"""

from typing import Any

import numpy as np
import PySAM.Utilityrate5 as utilityrate5

from billing.rating import terms

ENDLESS = 1e38
_UNITS = {"KWH": 0, "KWH_PER_KW": 1, "KWH_DAILY": 2, "KWH_PER_KW_DAILY": 3}
_METERING = {
    "NONE": 0,
    "NET_METERING": 0,
    "NET_METERING_CREDIT": 1,
    "NET_BILLING": 2,
    "NET_BILLING_CREDIT": 3,
    "BUY_ALL_SELL_ALL": 4,
}


def inputs(plan: terms.Plan) -> dict[str, Any]:
    """This will say a plan in the words of that engine."""
    rule = plan.export
    demand = plan.demand
    out: dict[str, Any] = {
        "en_electricity_rates": 1,
        "rate_escalation": [0],
        "ur_en_ts_sell_rate": 0,
        "ur_en_ts_buy_rate": 0,
        "ur_ts_sell_rate": [0],
        "ur_ts_buy_rate": [0],
        "ur_sell_eq_buy": 0,
        "ur_ec_sched_weekday": _schedule(plan.weekday),
        "ur_ec_sched_weekend": _schedule(plan.weekend),
        "ur_ec_tou_mat": [
            [p + 1, t + 1, _top(tier.limit), _UNITS[tier.unit], float(tier.price), float(tier.sell or 0)]
            for p, period in enumerate(plan.energy)
            for t, tier in enumerate(period.tiers)
        ],
        "ur_metering_option": _METERING[rule.metering],
        "ur_nm_yearend_sell_rate": float(rule.year_end_sell),
        "ur_nm_credit_month": (rule.true_up_month or 12) - 1,
        "ur_nm_credit_rollover": int(rule.settlement == "CREDITED"),
        "ur_nb_credit_expire": int(rule.credits_expire),
        "ur_nb_apply_credit_current_month": int(rule.credit_applies == "SAME_BILL"),
        "ur_monthly_fixed_charge": float(plan.fixed_monthly),
        "ur_monthly_min_charge": float(plan.minimum_monthly),
        "ur_annual_min_charge": float(plan.minimum_annual),
        "ur_dc_enable": int(demand is not None),
    }
    if demand is not None:
        out |= {
            "ur_dc_sched_weekday": _schedule(demand.weekday or terms.EVERY_HOUR),
            "ur_dc_sched_weekend": _schedule(demand.weekend or terms.EVERY_HOUR),
            "ur_dc_tou_mat": [
                [p + 1, t + 1, _top(tier.limit), float(tier.price)]
                for p, period in enumerate(demand.periods)
                for t, tier in enumerate(period.tiers)
            ]
            or [[1, 1, ENDLESS, 0]],
            "ur_dc_flat_mat": [
                [month, t + 1, _top(tier.limit), float(tier.price)]
                for month, number in enumerate(demand.flat_months)
                for t, tier in enumerate(demand.flat[number].tiers if demand.flat else (terms.DemandTier(0),))
            ],
        }
        out |= _ratchet(demand)
    return out


def _ratchet(demand: terms.Demand) -> dict[str, Any]:
    """That engine looks back at twelve months where eleven are named, and bills all periods by the month's demand."""
    ratchet = demand.ratchet
    if ratchet is None:
        return {}
    return {
        "ur_enable_billing_demand": 1,
        "ur_billing_demand_minimum": float(demand.minimum_kw),
        "ur_billing_demand_lookback_period": ratchet.months - 1,
        "ur_billing_demand_lookback_percentages": [
            [float(ratchet.share(month)), int(month not in ratchet.shared_months)] for month in range(1, 13)
        ],
        "ur_dc_billing_demand_periods": [[p + 1, 1] for p in range(max(1, len(demand.periods)))],
        "ur_yearzero_usage_peaks": [0.0] * 12,
    }


def year(rates: dict[str, Any], load: np.ndarray, gen: np.ndarray | None = None) -> dict[str, Any]:
    """This will run the engine over a year of kW by interval; outputs of the bill with the generator, if any."""
    model = utilityrate5.new()
    model.assign(
        {
            "ElectricityRates": rates,
            "Lifetime": {"analysis_period": 1, "inflation_rate": 0, "system_use_lifetime_output": 0},
            "SystemOutput": {"gen": list(np.zeros_like(load) if gen is None else gen), "degradation": [0]},
            "Load": {"load": list(load), "load_escalation": [0]},
        }
    )
    model.execute(0)
    return dict(model.Outputs.export())


def months(out: dict[str, Any]) -> dict[str, np.ndarray]:
    """This will give dollars by month: fixed, energy (less credits), demand, minimum, and the bill."""
    get = lambda key: np.asarray(out[f"year1_monthly_{key}"])  # noqa: E731
    return {
        "fixed": get("fixed_with_system"),
        "energy": get("ec_charge_with_system") - np.asarray(out["year1_true_up_credits"]),
        "demand": get("dc_fixed_with_system") + get("dc_tou_with_system"),
        "minimum": get("minimum_with_system"),
        "bill": get("utility_bill_w_sys"),
    }


def _schedule(schedule: terms.Schedule) -> list[list[int]]:
    return [[period + 1 for period in hours] for hours in schedule]


def _top(limit: Any) -> float:
    return ENDLESS if limit is None else float(limit)
