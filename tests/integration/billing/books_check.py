"""What must hold of the books after anything that can happen. Computed from the rows by plain SQL, not by the house."""

from sqlalchemy import text
from sqlalchemy.orm import Session


def check(session: Session) -> None:
    """Raise AssertionError with the account when an invariant is broken."""
    session.flush()
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    off = session.execute(
        text("SELECT journal_id FROM ledger_entry GROUP BY 1 HAVING sum(debit_cents) <> sum(credit_cents)")
    ).all()
    assert off == [], f"journals out of balance: {off}"
    for account_id, balance, open_cents, unused, cash, arrived in session.execute(text(_SUMS)):
        assert balance == open_cents - unused, (account_id, balance, open_cents, unused)
        assert cash == arrived, (account_id, cash, arrived)
    for kind, over in (
        ("payment", "s.amount_cents - s.refunded_cents - s.returned_cents"),
        ("credit", "s.amount_cents - s.reversed_cents"),
    ):
        found = session.execute(
            text(
                f"SELECT s.id FROM {kind} s JOIN allocation a ON a.{kind}_id = s.id"
                f" GROUP BY s.id HAVING sum(a.amount_cents) > min({over})"
            )
        ).all()
        assert found == [], f"{kind} pays more than it has: {found}"
    for kind, total in (("bill", "s.total_cents"), ("charge", "s.amount_cents")):
        found = session.execute(
            text(
                f"SELECT s.id FROM {kind} s JOIN allocation a ON a.{kind}_id = s.id"
                f" GROUP BY s.id HAVING sum(a.amount_cents) > min({total})"
            )
        ).all()
        assert found == [], f"{kind} is paid more than it is: {found}"
    both = session.execute(text(_BOTH_OPEN)).all()
    assert both == [], f"money lies idle beside something open: {both}"


_ITEMS = """
  SELECT account_id, id AS bill_id, NULL::bigint AS charge_id, total_cents AS cents
    FROM bill WHERE status = 'ISSUED' AND total_cents > 0
  UNION ALL SELECT account_id, NULL, id, amount_cents FROM charge WHERE waived_at IS NULL
"""
_OPEN = f"""
  SELECT i.account_id, sum(i.cents) - coalesce(sum(a.cents), 0) AS cents FROM ({_ITEMS}) i
  LEFT JOIN (SELECT bill_id, charge_id, sum(amount_cents) AS cents FROM allocation GROUP BY 1, 2) a
    ON a.bill_id IS NOT DISTINCT FROM i.bill_id AND a.charge_id IS NOT DISTINCT FROM i.charge_id GROUP BY 1
"""
_SOURCES = """
  SELECT account_id, id AS payment_id, NULL::bigint AS credit_id,
    amount_cents - refunded_cents - returned_cents AS cents,
    status = 'SUCCEEDED' AS free FROM payment WHERE status IN ('SUCCEEDED', 'DISPUTED', 'REFUNDED')
  UNION ALL SELECT account_id, NULL, id, amount_cents - reversed_cents, true FROM credit
"""
_UNUSED = f"""
  SELECT s.account_id, sum(s.cents) - coalesce(sum(a.cents), 0) AS cents,
    sum(CASE WHEN s.free THEN s.cents - coalesce(a.cents, 0) ELSE 0 END) AS free FROM ({_SOURCES}) s
  LEFT JOIN (SELECT payment_id, credit_id, sum(amount_cents) AS cents FROM allocation GROUP BY 1, 2) a
    ON a.payment_id IS NOT DISTINCT FROM s.payment_id AND a.credit_id IS NOT DISTINCT FROM s.credit_id GROUP BY 1
"""
_SUMS = f"""
SELECT account.id,
  coalesce((SELECT sum(debit_cents - credit_cents) FROM ledger_entry e
            WHERE e.account_id = account.id AND code = 'RECEIVABLE'), 0),
  coalesce((SELECT cents FROM ({_OPEN}) o WHERE o.account_id = account.id), 0),
  coalesce((SELECT cents FROM ({_UNUSED}) u WHERE u.account_id = account.id), 0),
  coalesce((SELECT sum(debit_cents - credit_cents) FROM ledger_entry e
            WHERE e.account_id = account.id AND code IN ('CASH', 'DISPUTED_CASH')), 0),
  coalesce((SELECT sum(amount_cents - refunded_cents - returned_cents) FROM payment p
            WHERE p.account_id = account.id AND status IN ('SUCCEEDED', 'DISPUTED', 'REFUNDED')), 0)
  - coalesce((SELECT sum(amount_cents) FROM refund r WHERE r.account_id = account.id
              AND status = 'DONE' AND credit_id IS NOT NULL), 0)
FROM account
"""
_BOTH_OPEN = f"""
SELECT o.account_id, o.cents, u.free FROM ({_OPEN}) o JOIN ({_UNUSED}) u USING (account_id)
WHERE o.cents > 0 AND u.free > 0
"""
