"""What the database itself refuses, as DDL: bills that do not fit their form, changes to what was issued or posted.

`models.py` attaches these to its tables, so that tables made from the models have them; a migration executes the same
strings, table by table, in the order of `BEFORE_CREATE` and `AFTER_CREATE`. Lines of bills and entries of the ledger
are views on the rows that hold them, so whatever a row may not do, they cannot.

Bills come by the thousand, so what they name is looked at a set at a time: forms and runs are never deleted, nor do
they change their ids, and so one look when a bill is written is as good as a foreign key.
"""

_SUM = """
CREATE OR REPLACE FUNCTION billing_sum(figures bigint[]) RETURNS bigint
  LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  figure bigint;
  total bigint := 0;
BEGIN
  FOREACH figure IN ARRAY figures LOOP
    total := total + figure;
  END LOOP;
  IF total IS NULL THEN
    RAISE EXCEPTION 'a figure is missing' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  RETURN total;
END $$;
"""

BEFORE_CREATE = {"bill": _SUM, "ledger_journal": _SUM}

_REFUSE_CHANGE = """
CREATE OR REPLACE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% rows never change', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""

_REFUSE_EMPTYING = """
CREATE OR REPLACE FUNCTION billing_refuse_emptying() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM bill) THEN
    RAISE EXCEPTION 'bills name rows of %', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
"""

BILL_RUN = (
    _REFUSE_CHANGE
    + _REFUSE_EMPTYING
    + """
CREATE TRIGGER bill_run_stays BEFORE DELETE ON bill_run
  FOR EACH ROW EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER bill_run_stays_itself BEFORE UPDATE OF id ON bill_run
  FOR EACH ROW EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER bill_run_stays_full AFTER TRUNCATE ON bill_run
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_emptying();
"""
)

BILL_FORM = (
    _REFUSE_CHANGE
    + _REFUSE_EMPTYING
    + """
CREATE TRIGGER bill_form_stays BEFORE UPDATE OR DELETE ON bill_form
  FOR EACH ROW EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER bill_form_stays_full AFTER TRUNCATE ON bill_form
  FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_emptying();
"""
)

# A bill's figures never change, not even a draft's: a new rating is a new row. So they are looked at once.
BILL = """
CREATE OR REPLACE FUNCTION billing_guard_bill() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  allowed bill%ROWTYPE;
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'bill % has been issued', OLD.number USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  allowed := OLD;
  allowed.status := 'CANCELLED';
  allowed.cancelled_at := NEW.cancelled_at;
  IF OLD.status = 'CANCELLED' OR NEW.cancelled_at IS NULL OR NEW IS DISTINCT FROM allowed THEN
    RAISE EXCEPTION 'bill % has been issued', OLD.number USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER bill_immutable BEFORE UPDATE OR DELETE ON bill FOR EACH ROW
  WHEN (OLD.status IN ('ISSUED', 'CANCELLED')) EXECUTE FUNCTION billing_guard_bill();
CREATE OR REPLACE FUNCTION billing_guard_figures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the figures of bill % never change', OLD.number USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER bill_figures_stay BEFORE UPDATE ON bill FOR EACH ROW
  WHEN (OLD.id <> NEW.id OR OLD.form_id <> NEW.form_id OR OLD.run_id IS DISTINCT FROM NEW.run_id OR OLD.wh <> NEW.wh
        OR OLD.quantities <> NEW.quantities OR OLD.amounts <> NEW.amounts)
  EXECUTE FUNCTION billing_guard_figures();
CREATE OR REPLACE FUNCTION billing_bills_fit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  wrong record;
BEGIN
  SELECT b.number INTO wrong FROM added b LEFT JOIN bill_form f ON f.id = b.form_id
   WHERE f.id IS NULL OR cardinality(b.amounts) <> cardinality(f.components)
      OR b.wh * 1000 IS DISTINCT FROM CASE WHEN f.energy_lines = 1 THEN b.quantities[f.energy_at]
           ELSE billing_sum(b.quantities[f.energy_at : f.energy_at + f.energy_lines - 1]) END
         - CASE WHEN f.credits_kwh THEN (
             SELECT sum(x.quantity) FROM unnest(b.quantities, f.codes) AS x (quantity, code)
              WHERE x.code LIKE 'credit.kwh%') ELSE 0 END
   LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'the figures of bill % do not fit its form, or its energy is not what was metered', wrong.number
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  SELECT named.run_id INTO wrong FROM (SELECT DISTINCT run_id FROM added WHERE run_id IS NOT NULL) AS named
    LEFT JOIN bill_run r ON r.id = named.run_id WHERE r.id IS NULL LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'there is no bill run %', wrong.run_id USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER bill_fits AFTER INSERT ON bill REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION billing_bills_fit();
CREATE VIEW bill_line AS
  SELECT b.id AS bill_id, l.position - 1 AS position, l.component, l.code, l.description, l.args,
         CAST(CAST(l.quantity AS numeric) / 1000000 AS numeric(20, 6)) AS quantity, l.unit, l.unit_price,
         l.amount_cents
    FROM bill b JOIN bill_form f ON f.id = b.form_id
   CROSS JOIN LATERAL unnest(f.components, f.codes, f.descriptions, f.args, f.units, f.unit_prices, b.quantities,
                             b.amounts) WITH ORDINALITY
           AS l (component, code, description, args, unit, unit_price, quantity, amount_cents, position);
"""

BILL_CARRIED = """
CREATE OR REPLACE FUNCTION billing_guard_bill_carried() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM changed JOIN bill ON bill.id = changed.bill_id WHERE bill.status IN ('ISSUED', 'CANCELLED'))
  THEN
    RAISE EXCEPTION 'what an issued bill carries never changes' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER bill_carried_no_insert AFTER INSERT ON bill_carried REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION billing_guard_bill_carried();
CREATE TRIGGER bill_carried_no_update AFTER UPDATE ON bill_carried REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION billing_guard_bill_carried();
CREATE TRIGGER bill_carried_no_delete AFTER DELETE ON bill_carried REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION billing_guard_bill_carried();
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

_ENTRIES = """
CREATE VIEW ledger_entry AS
  SELECT j.id AS journal_id, e.position, e.code, j.account_id, greatest(e.cents, 0) AS debit_cents,
         greatest(-e.cents, 0) AS credit_cents
    FROM ledger_journal j CROSS JOIN LATERAL unnest(j.codes, j.cents) WITH ORDINALITY AS e (code, cents, position);
"""

LEDGER_JOURNAL = _REFUSE_CHANGE + _OPEN_MONTH + _ENTRIES

BILL_DOCUMENT = (
    _REFUSE_CHANGE
    + """
CREATE TRIGGER bill_document_immutable BEFORE UPDATE OR DELETE ON bill_document
  FOR EACH ROW EXECUTE FUNCTION billing_refuse_change();
"""
)

# Made by `price_models.py`: its table is not among those of `models.py`.
INDEX_PRICE = (
    _REFUSE_CHANGE
    + """
CREATE TRIGGER index_price_immutable BEFORE UPDATE OR DELETE ON index_price
  FOR EACH ROW EXECUTE FUNCTION billing_refuse_change();
"""
)

# Made by `credit_note_models.py`. A note stands on a cancelled bill. That none is cancelled without one is seen to by
# the one operation that cancels: a trigger would look at every bill that is issued, and the run would pay for it.
CREDIT_NOTE = (
    _REFUSE_CHANGE
    + """
CREATE TRIGGER credit_note_immutable BEFORE UPDATE OR DELETE ON credit_note
  FOR EACH ROW EXECUTE FUNCTION billing_refuse_change();
CREATE OR REPLACE FUNCTION billing_note_fits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM bill WHERE id = NEW.bill_id AND status = 'CANCELLED') THEN
    RAISE EXCEPTION 'bill % is not cancelled', NEW.bill_id USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER credit_note_fits BEFORE INSERT ON credit_note
  FOR EACH ROW EXECUTE FUNCTION billing_note_fits();
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
    "bill_run": BILL_RUN,
    "bill_form": BILL_FORM,
    "bill": BILL,
    "bill_carried": BILL_CARRIED,
    "bill_document": BILL_DOCUMENT,
    "ledger_journal": LEDGER_JOURNAL,
    "allocation": ALLOCATION,
}
