"""Whatever may stand in a row has a word on the page: the codes of the constraints against the catalogues."""

import re

import pytest
from sqlalchemy import Engine, text

from core import wording

WORDS = {
    "portal.payment.": ("payment", "status"),
    "portal.instalment.": ("arrangement_instalment", "status"),
    "portal.request.": ("service_request", "kind"),
    "portal.request.status.": ("service_request", "status"),
    "portal.outage.status.": ("outage", "status"),
    "alert.kind.": ("usage_alert", "kind"),
    "portal.rebate.": ("rebate", "status"),
    "portal.channel.": ("message", "channel"),
    "portal.author.": ("message", "author"),
}


@pytest.mark.parametrize("prefix", WORDS)
def test_every_code_has_its_word(engine: Engine, prefix: str) -> None:
    table, column = WORDS[prefix]
    with engine.connect() as connection:
        rules = connection.execute(
            text(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c'"
                " AND conrelid = CAST(:table AS regclass)"
            ),
            {"table": table},
        ).scalars()
        rule = next(r for r in rules if re.match(rf"CHECK \(\(+{column}\W", r) and "ARRAY" in r)
    codes = {code.lower() for code in re.findall(r"'([A-Z_]+)'", rule)}
    assert codes
    for locale in ("en", "es"):
        assert {prefix + code for code in codes} <= wording.kinds(locale)
