"""`wattline cash`: what waits is listed, one person asks, another decides, and a rule that says no is one line."""

import re
from datetime import timedelta

import pytest
from click.testing import CliRunner

from billing import bank_entries, bank_files, credits, queries, references, transfers
from billing import operations as billing
from core import errors
from core.accounts import queries as accounts
from ops_admin import shell
from ops_admin.cash_commands import cash
from tests.integration.billing.test_payments import AT, D, event, house, link, owes, pay  # noqa: F401


@pytest.fixture(autouse=True)
def account(monkeypatch):
    """Whose shell it is; a test may let another person sit down."""

    def sits(name):
        monkeypatch.setattr(shell, "account", lambda: name)

    sits("kim")
    return sits


def run(hub, *arguments):
    done = CliRunner().invoke(cash, list(arguments), obj=lambda: hub)
    return done.exit_code, done.output


def test_a_refund_takes_two_people(hub, session, house, account):  # noqa: F811
    _, reference = link(session, house)
    billing.settle_gateway_event(hub, event("succeeded", reference=reference))
    (payment,) = (p.id for p in queries.list_payments(session, account_id=house.account_id))
    code, said = run(hub, "refund", str(payment), "--amount", "30.68", "--reason", "paid twice", "--by", "ana")
    assert (code, "waits for another person" in said) == (0, True)
    asked = re.search(r"refund (\d+)", said)[1]
    assert "asked by cli:kim/ana: paid twice" in run(hub, "waiting")[1]
    # neither under another name from the same shell, nor as the shell's own, nor as the same name from another shell
    for sits, words in (("kim", ["--by", "ana"]), ("kim", ["--by", "bo"]), ("kim", []), ("lee", ["--by", "Ana"])):
        account(sits)
        code, said = run(hub, "decide", asked, "--approve", *words)
        assert (code, "Somebody else has to decide" in said, "[refund.same_person]" in said) == (1, True, True)
    with pytest.raises(errors.Refused, match=r"refund\.same_person"):  # nor in the console, as whose shell it was
        billing.decide_refund(session, refund_id=int(asked), approve=True, actor="staff:kim", now=AT)
    assert run(hub, "decide", asked, "--approve", "--by", "x/y")[0] == 2
    assert run(hub, "decide", asked, "--approve", "--by", "bo") == (0, f"refund {asked}: approved\n")
    assert run(hub, "refund", str(payment), "--amount", "1e9", "--reason", "x", "--by", "ana")[0] == 1
    assert run(hub, "refund", str(payment), "--amount", "much", "--reason", "x", "--by", "ana")[0] == 2


def test_transfers_and_news_without_an_owner_find_one(hub, session, house):  # noqa: F811
    number = accounts.get_account(session, account_id=house.account_id).number
    head = "entry_id,booked_on,amount,currency,payer,remittance\n"
    body = f"{head}e2,2026-11-03,30.68,USD,Omar,{references.make(number)[:6]}\n"  # cut short: no reference of ours
    transfers.load(session, bank="bank", entries=bank_files.parse_csv(body.encode()), currency="USD", now=AT)
    session.commit()
    billing.settle_gateway_event(hub, event("succeeded", "pi_x", amount="100.00", reference="link:999999"))
    said = run(hub, "waiting")[1]
    transfer, news = re.search(r"transfer +(\d+)", said)[1], re.search(r"news +(\d+)", said)[1]
    assert said.endswith("0 refunds, 1 transfers, 1 pieces of news\n")
    assert run(hub, "assign", transfer, "9999999999", "--by", "ana")[0] == 1
    assert run(hub, "assign", transfer, number, "--by", "ana") == (0, f"transfer {transfer} of 30.68: matched\n")
    assert run(hub, "resolve", news, "--account", number, "--by", "ana") == (0, f"news {news}: applied\n")
    assert owes(session, house) == D("0.00")
    assert run(hub, "waiting")[1] == "0 refunds, 0 transfers, 0 pieces of news\n"


def test_a_transfer_in_another_currency_is_sent_back_and_waits_no_more(hub, session, house):  # noqa: F811
    entry = bank_entries.Entry("eur-1", AT.date(), D("44.00"), "EUR", "Omar", "power")
    transfers.load(session, bank="bank", entries=[entry], currency="USD", now=AT)
    session.commit()
    number = re.search(r"transfer +(\d+)", run(hub, "waiting")[1])[1]
    sent = (0, f"transfer {number} of 44.00 EUR: sent back\n")
    assert run(hub, "send-back", number, "--reason", "no euro account", "--by", "ana") == sent
    code, said = run(hub, "send-back", number, "--reason", "again", "--by", "ana")
    assert code == 1 and "transfer.decided" in said
    assert run(hub, "waiting")[1] == "0 refunds, 0 transfers, 0 pieces of news\n"


def test_a_deposit_is_asked_within_the_rules_and_goes_back_with_interest(hub, session, house, account):  # noqa: F811
    number = accounts.get_account(session, account_id=house.account_id).number
    code, said = run(hub, "deposit", number, "--amount", "9999", "--by", "ana")
    assert (code, "deposit.too_high" in said, "'most': '261.36'" in said) == (1, True, True)  # two bills of 130.68
    code, said = run(hub, "deposit", number, "--by", "ana")
    asked = re.search(r"deposit (\d+) is asked for", said)[1]
    assert code == 0 and run(hub, "deposit", number, "--by", "ana")[1] == said  # again is the same one
    assert owes(session, house) == D("392.04")
    assert "deposit.not_held" in run(hub, "return-deposit", asked, "--by", "ana")[1]
    pay(session, house, "p1", "392.04")
    session.commit()
    hub.clock.at = AT + timedelta(days=365)
    code, said = run(hub, "return-deposit", asked, "--by", "bo")
    credit = re.search(r"266.59 given back, as credit (\d+)", said)[1]  # 2 % a year
    assert run(hub, "deposit", "9999999999", "--by", "ana")[0] == 1
    assert owes(session, house) == D("-266.59")
    code, said = run(hub, "refund", credit, "--credit", "--reason", "moved out", "--by", "ana")
    paid_out = re.search(r"refund (\d+) of 266.59", said)[1]
    assert run(hub, "decide", paid_out, "--approve", "--by", "ana")[0] == 1
    account("lee")
    assert run(hub, "decide", paid_out, "--approve")[0] == 0
    assert owes(session, house) == D("0.00")


def test_a_credit_is_given_once_and_a_fee_is_let_go(hub, session, house):  # noqa: F811
    number = accounts.get_account(session, account_id=house.account_id).number
    for _ in range(2):
        assert run(hub, "credit", number, "30.68", "--reason", "sorry", "--by", "ana")[0] == 0
    assert owes(session, house) == D("100.00")
    assert run(hub, "credit", number, "-5", "--reason", "sorry", "--by", "ana")[0] != 0
    fee = credits.charge(
        session, kind="RETURN_FEE", account_id=house.account_id, cents=2000, rule="x", on=AT.date(), key="f", now=AT
    )
    session.commit()
    assert f"{fee}  {AT.date()}  return_fee       20.00  x" in run(hub, "fees", number)[1]
    assert run(hub, "waive", str(fee), "--reason", "first time", "--by", "ana") == (0, f"fee {fee} is waived\n")
    assert owes(session, house) == D("100.00") and run(hub, "fees", number) == (0, "0 fees\n")
