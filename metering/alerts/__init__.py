"""Use that is out of the ordinary for this place: pure, causal, for one meter and for very many at once."""

from metering.alerts.detector import Found, detect
from metering.alerts.rules import KINDS, RULES, Rules

__all__ = ["KINDS", "RULES", "Found", "Rules", "detect"]
