"""The public holidays of a jurisdiction, as its rules count them."""

import functools
from datetime import date

import holidays


@functools.lru_cache(maxsize=64)
def public_holidays(jurisdiction: str, year: int) -> frozenset[date]:
    """This will give the holidays of a year and of the new year after it. Jurisdictions read like ``US-PA``."""
    country, _, place = jurisdiction.partition("-")
    known = holidays.list_supported_countries().get(country, [])
    found = holidays.country_holidays(
        country if country else "US", subdiv=place if place in known else None, years=(year, year + 1)
    )
    return frozenset(found.keys())
