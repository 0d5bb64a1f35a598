"""Every change metering makes for others, on one page."""

from metering.bulk import load_matrix
from metering.estimating import estimate_gaps
from metering.loading import load
from metering.partitions import drop_month, make_months
from metering.readings import list_readings_to_check, review_reading, submit_reading
from metering.recording import (
    exchange_meter,
    install_meter,
    record_dial,
    record_reads,
    record_register_read,
    remove_meter,
    resolve_exception,
)
from metering.watching import give_feedback, set_cost

__all__ = [
    "drop_month",
    "estimate_gaps",
    "exchange_meter",
    "give_feedback",
    "install_meter",
    "list_readings_to_check",
    "load",
    "load_matrix",
    "make_months",
    "record_dial",
    "record_reads",
    "record_register_read",
    "remove_meter",
    "resolve_exception",
    "review_reading",
    "set_cost",
    "submit_reading",
]
