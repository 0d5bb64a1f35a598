"""The clock's word on plans: before a term runs out, who is bound by it hears so."""

from datetime import timedelta

from sqlalchemy import select

from billing import models, tariffs
from core import periods
from core.accounts import queries as accounts
from core.compliance import rules
from core.conversations import operations as conversing
from core.hub import Hub

_PAGE = 500
_FURTHEST = timedelta(days=120)  # before the end of a term
_IN_WRITING = ("EMAIL", "WHATSAPP", "SMS")


def remind_expiry(hub: Hub) -> int:
    """This will write once to everybody whose term ends within the days the rules give; gives of how many. Daily."""
    now = hub.now()
    today = periods.civil_day(now, hub.settings.utility_timezone)
    held, tariff = models.AgreementTariffRow, models.TariffRow
    after = told = 0
    while True:
        with hub.transaction() as session:
            rows = session.execute(
                select(held.id, held.agreement_id, held.term_starts_on, tariff, tariff.term_months)
                .join(tariff, tariff.id == held.tariff_id)
                .where(held.id > after, held.ends_on.is_(None), tariff.term_months > 0)
                .order_by(held.id)
                .limit(_PAGE)
            ).all()
            for row in rows:
                ends_on = periods.add_months(row.term_starts_on, row.term_months)
                if not today < ends_on <= today + _FURTHEST:
                    continue
                agreement = accounts.get_agreement(session, agreement_id=row.agreement_id)
                days = rules.rule(agreement.jurisdiction, "plan_expiry", today).days("days")
                if agreement.ends_on is not None or (ends_on - today).days > days:
                    continue
                sent = conversing.notify_customer(
                    session,
                    customer_id=accounts.get_account(session, account_id=agreement.account_id).customer_id,
                    kind="notice.plan_expiry",
                    data={"name": tariffs.name_of(row[3]), "ends_on": ends_on.isoformat()},
                    purpose="SERVICE",
                    key=f"plan_expiry:{row.agreement_id}:{ends_on}",  # of the term, whatever rows it has
                    now=now,
                    house=conversing.house(hub.settings),
                    channels=_IN_WRITING,
                )
                told += sent is not None
        if not rows:
            return told
        after = rows[-1].id
