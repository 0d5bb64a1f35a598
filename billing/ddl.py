"""What the database itself refuses, as DDL: issued bills and the ledger never change, and every journal balances.

`models.py` attaches these to its tables (`after_create`), so that tables made from the models have them; a migration
executes the same strings, table by table, in the order of `AFTER_CREATE`.

A journal's entries come in one statement, and what each statement adds to a journal must add up to nothing. Entries are
never changed or deleted, so a journal balances always, not only at commit; and a million are checked as one set.
"""

_REFUSE_CHANGE = """
CREATE OR REPLACE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% rows never change', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""

BILL = """
CREATE OR REPLACE FUNCTION billing_guard_bill() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  allowed bill%ROWTYPE;
BEGIN
  IF OLD.status IN ('ISSUED', 'CANCELLED') THEN
    IF TG_OP = 'DELETE' THEN
      RAISE EXCEPTION 'bill % has been issued', OLD.number USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    allowed := OLD;
    allowed.status := 'CANCELLED';
    allowed.cancelled_at := NEW.cancelled_at;
    IF OLD.status = 'CANCELLED' OR NEW.cancelled_at IS NULL OR NEW IS DISTINCT FROM allowed THEN
      RAISE EXCEPTION 'bill % has been issued', OLD.number USING ERRCODE = 'integrity_constraint_violation';
    END IF;
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN OLD;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER bill_immutable BEFORE UPDATE OR DELETE ON bill FOR EACH ROW
  WHEN (OLD.status IN ('ISSUED', 'CANCELLED')) EXECUTE FUNCTION billing_guard_bill();
"""

BILL_LINE = """
CREATE OR REPLACE FUNCTION billing_guard_bill_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM changed JOIN bill ON bill.id = changed.bill_id WHERE bill.status IN ('ISSUED', 'CANCELLED'))
  THEN
    RAISE EXCEPTION 'the lines of an issued bill never change' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER bill_line_no_insert AFTER INSERT ON bill_line REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION billing_guard_bill_line();
CREATE TRIGGER bill_line_no_update AFTER UPDATE ON bill_line REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION billing_guard_bill_line();
CREATE TRIGGER bill_line_no_delete AFTER DELETE ON bill_line REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION billing_guard_bill_line();
"""

_OPEN_MONTH = """
CREATE TRIGGER ledger_journal_immutable BEFORE UPDATE OR DELETE ON ledger_journal
  FOR EACH ROW EXECUTE FUNCTION billing_refuse_change();
CREATE OR REPLACE FUNCTION billing_period_open() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  last date;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('ledger-close', 0));
  SELECT max(starts_on) INTO last FROM ledger_period;
  IF EXISTS (SELECT 1 FROM added WHERE date_trunc('month', coalesce(booked_on, effective_on)) <= last) THEN
    RAISE EXCEPTION 'the month % is closed', last USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_journal_open AFTER INSERT ON ledger_journal REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION billing_period_open();
"""

LEDGER_JOURNAL = _REFUSE_CHANGE + _OPEN_MONTH

_BALANCES = """
CREATE TRIGGER ledger_entry_immutable BEFORE UPDATE OR DELETE ON ledger_entry
  FOR EACH ROW EXECUTE FUNCTION billing_refuse_change();
CREATE OR REPLACE FUNCTION billing_journal_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  wrong record;
BEGIN
  SELECT journal_id, sum(debit_cents - credit_cents) AS cents INTO wrong
    FROM posted GROUP BY journal_id HAVING sum(debit_cents - credit_cents) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'journal % is out of balance by % cents', wrong.journal_id, wrong.cents
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_entry_balances AFTER INSERT ON ledger_entry REFERENCING NEW TABLE AS posted
  FOR EACH STATEMENT EXECUTE FUNCTION billing_journal_balances();
"""

LEDGER_ENTRY = _REFUSE_CHANGE + _BALANCES

BILL_DOCUMENT = (
    _REFUSE_CHANGE
    + """
CREATE TRIGGER bill_document_immutable BEFORE UPDATE OR DELETE ON bill_document
  FOR EACH ROW EXECUTE FUNCTION billing_refuse_change();
"""
)
# The sum over a payment, a credit or an item is looked at under its own row's lock, so two at once cannot both fit.
ALLOCATION = """
CREATE OR REPLACE FUNCTION billing_allocation_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  room bigint;
  used bigint;
BEGIN
  IF NEW.payment_id IS NOT NULL THEN
    SELECT amount_cents - refunded_cents - returned_cents INTO room
      FROM payment WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    SELECT sum(amount_cents) INTO used FROM allocation WHERE payment_id = NEW.payment_id;
  ELSE
    SELECT amount_cents - reversed_cents INTO room FROM credit WHERE id = NEW.credit_id FOR NO KEY UPDATE;
    SELECT sum(amount_cents) INTO used FROM allocation WHERE credit_id = NEW.credit_id;
  END IF;
  IF used > room THEN
    RAISE EXCEPTION 'allocation % gives more than there is', NEW.id USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.bill_id IS NOT NULL THEN
    SELECT total_cents INTO room FROM bill WHERE id = NEW.bill_id FOR NO KEY UPDATE;
    SELECT sum(amount_cents) INTO used FROM allocation WHERE bill_id = NEW.bill_id;
  ELSE
    SELECT amount_cents INTO room FROM charge WHERE id = NEW.charge_id FOR NO KEY UPDATE;
    SELECT sum(amount_cents) INTO used FROM allocation WHERE charge_id = NEW.charge_id;
  END IF;
  IF used > room THEN
    RAISE EXCEPTION 'allocation % pays more than is owed', NEW.id USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER allocation_fits AFTER INSERT OR UPDATE ON allocation DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION billing_allocation_fits();
"""

AFTER_CREATE = {
    "bill": BILL,
    "bill_line": BILL_LINE,
    "bill_document": BILL_DOCUMENT,
    "ledger_journal": LEDGER_JOURNAL,
    "ledger_entry": LEDGER_ENTRY,
    "allocation": ALLOCATION,
}
