"""Rating: what a usage costs under a plan.

Pure arithmetic over whole numbers, for one account or for thousands at once.

The public page: terms (`Plan` and its parts, `terms.py`), what was used (`Usage`, `History`), what it comes
to (`Rated`, `Line`), and the two functions `rate` and `rate_segments`.
"""

from billing.rating.engine import rate, rate_segments
from billing.rating.terms import (
    Demand,
    DemandPeriod,
    DemandTier,
    EnergyPeriod,
    Export,
    Holidays,
    Index,
    Plan,
    Ratchet,
    Rider,
    Schedule,
    Tax,
    Tier,
)
from billing.rating.usage import Column, History, Line, Prices, Rated, Segment, State, Usage

__all__ = [
    "Column",
    "Demand",
    "DemandPeriod",
    "DemandTier",
    "EnergyPeriod",
    "Export",
    "History",
    "Holidays",
    "Index",
    "Line",
    "Plan",
    "Prices",
    "Ratchet",
    "Rated",
    "Rider",
    "Schedule",
    "Segment",
    "State",
    "Tax",
    "Tier",
    "Usage",
    "rate",
    "rate_segments",
]
