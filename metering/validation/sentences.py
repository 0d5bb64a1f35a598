"""What a finding means, said to staff. Pure."""

from collections.abc import Mapping
from typing import Any

SEVERITIES: Mapping[str, str] = {
    "E": "cannot be: an estimate stands in its place",
    "W": "is used as it is, and wants a look",
    "I": "noted",
}
SENTENCES: Mapping[str, str] = {
    "UNKNOWN_METER": "Reads came for a meter that nobody knows.",
    "UNREADABLE": "What came could not be read.",
    "OUTSIDE_METER": "There are reads from before the meter was installed or after it was removed.",
    "NEGATIVE": "A read is below zero.",
    "TOO_HIGH": "A read is more than the connection of such a customer can carry.",
    "PULSE_OVERFLOW": "A counter ran full: the read is a full counter, far above all others.",
    "SPIKE": "One interval is far above the others of the day and all before.",
    "ZERO": "Nothing was used on a whole day where something is usual.",
    "FLAT": "Every interval of the day reads the same.",
    "HIGH_USE": "The day is far above what is usual here.",
    "LOW_USE": "The day is far below what is usual here.",
    "UNUSUAL_USE": "The day differs from those before by more than is likely.",
    "UNIT": "The day is about a thousand times too much or too little: a wrong unit.",
    "GAP": "Intervals of the day were not read.",
    "DST_HOUR": "The hour around the change of the clocks was not read.",
    "DUPLICATE_DAY": "The day is the same as the day before, interval for interval.",
    "INTERVAL_SIZE": "The intervals have another length than the meter is known to have.",
    "REGISTER_SUM": "The intervals do not add up to what the dial says.",
    "MULTIPLIER": "The intervals differ from the dial by the multiplier, or by a power of ten.",
    "DIAL_BACK": "The dial shows less than before.",
    "NO_AGREEMENT": "Energy was used where nobody takes service.",
    "METER_OVERLAP": "Two meters read the same intervals around an exchange.",
    "NO_GENERATION": "Energy was sent out by a place that is not known to make any.",
    "REVERSE_ROTATION": "Energy came back as it used to be delivered: the meter may be wired the wrong way round.",
    "SIBLING_MISSING": "The meter of the other direction has not read this day.",
    "PROLONGED_ESTIMATION": "It has been estimated for many days in a row.",
    "REPLACED": "A read that stood was changed by a later one, by more than is left unseen.",
    "FUTURE": "Reads came of intervals that are not over yet.",
}
CAUSES: Mapping[str, str] = {
    "NONE": "nothing came",
    "NEGATIVE": "what came was below zero",
    "TOO_HIGH": "what came was too high",
    "PULSE_OVERFLOW": "the counter ran full",
    "PERSON": "a person refused what came",
}
METHODS: Mapping[str, str] = {
    "NONE": "as it came",
    "INTERPOLATED": "on a line between its neighbours",
    "LIKE_DAYS": "the mean of like days",
    "DIAL": "what the dial leaves over",
    "OWN_HOUR": "the mean of the same time of day",
    "PROFILE": "the meter's usual day in the shape of its class",
    "CLASS_PROFILE": "the usual day of the class",
    "EDITED": "written by a person",
    "ACCEPTED": "what came, accepted by a person",
}
RESOLUTIONS: Mapping[str, str] = {
    "ACCEPTED": "accepted", "ESTIMATED": "estimated", "EDITED": "edited", "OVERTAKEN": "overtaken by later reads",
    "NOTED": "noted",
}  # fmt: skip
REFUSALS: Mapping[str, str] = {
    "read_exception.unknown": "There is no such finding.",
    "read_exception.reason": "Say who you are and why.",
    "read_exception.decided": "Somebody has decided this already.",
    "read_exception.no_day": "No day of reads stands behind this: there is nothing to change.",
    "read_exception.no_estimate": "Nothing is known to estimate from.",
    "read_exception.value": "That value cannot be: it is below zero, or more than such a connection can carry.",
    "read_exception.span": "Choose a first interval that lies before the last.",
    "read_exception.nothing_to_undo": "Nobody has decided this, so there is nothing to undo.",
    "read_exception.changed_since": "The day has changed since: undoing would lose what came later.",
    "read_exception.too_many": "That is too many at once.",
}


def measured(data: Mapping[str, Any]) -> str:
    """This will say what was measured against what; empty where a finding was not measured."""
    if "measured" not in data:
        return f"{data['wh']:,} Wh" if "wh" in data else ""
    unit = str(data.get("unit", "Wh"))
    said = f"{data['measured']:,} {unit}"
    return f"{said}, limit {data['limit']:,}" if data.get("limit") else said
