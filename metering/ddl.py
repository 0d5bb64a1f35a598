"""Triggers of metering's tables: what no writer may forget."""

# A day whose values change is to be judged again, whoever changed them; who judges says so afterwards.
READ_DAY = """
CREATE OR REPLACE FUNCTION metering_judge_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.judged_at := NULL;
  RETURN NEW;
END $$;
CREATE TRIGGER read_day_judge_again BEFORE UPDATE ON read_day FOR EACH ROW
  WHEN (NEW.wh <> OLD.wh OR NEW.quality <> OLD.quality)
  EXECUTE FUNCTION metering_judge_again();
"""

AFTER_CREATE = {"read_day": READ_DAY}
