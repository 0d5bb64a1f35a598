"""Every change metering makes for others, on one page."""

from metering.bulk import load_matrix
from metering.readings import estimate_gaps, list_readings_to_check, review_reading, submit_reading
from metering.recording import (
    exchange_meter,
    install_meter,
    record_reads,
    record_register_read,
    remove_meter,
    resolve_exception,
)
from metering.watching import give_feedback, set_cost

__all__ = [
    "estimate_gaps",
    "exchange_meter",
    "give_feedback",
    "install_meter",
    "list_readings_to_check",
    "load_matrix",
    "record_reads",
    "record_register_read",
    "remove_meter",
    "resolve_exception",
    "review_reading",
    "set_cost",
    "submit_reading",
]
