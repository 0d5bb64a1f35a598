"""Clock -> jobs, on one page."""

from datetime import timedelta

from billing import (
    alert_jobs,
    arrears_jobs,
    budget_jobs,
    correction_jobs,
    deposit_jobs,
    index_jobs,
    letters,
    plan_jobs,
    retention_jobs,
)
from billing import jobs as billing
from core.compliance import jobs as compliance
from core.conversations import jobs as conversations
from core.fieldwork import jobs as fieldwork
from core.outages import jobs as outages
from crm_sync import jobs as crm
from metering import estimating, judgements, partition_jobs, similar_homes
from metering import jobs as metering
from ops_admin import housekeeping
from ops_admin.clock import Job
from ops_admin.seed import live

JOBS: tuple[Job, ...] = (
    Job("conversations.expire_handoffs", timedelta(seconds=10), conversations.expire_handoffs),
    Job("conversations.close_idle", timedelta(minutes=10), conversations.close_idle_conversations),
    Job("conversations.drop_parked_reports", timedelta(hours=12), conversations.drop_parked_reports),
    Job("crm.poll_tickets", timedelta(seconds=5), crm.poll_tickets),
    Job("crm.reconcile", timedelta(minutes=2), crm.reconcile),
    Job("outages.announce_silent", timedelta(seconds=30), outages.announce_silent),
    Job("outages.start_planned", timedelta(minutes=1), outages.start_planned),
    Job("outages.watch_large", timedelta(minutes=1), outages.watch_large_outages),
    Job("fieldwork.open_slots", timedelta(hours=6), fieldwork.open_slots),
    Job("fieldwork.remind_appointments", timedelta(minutes=10), fieldwork.remind_appointments),
    Job("compliance.watch_deadlines", timedelta(minutes=10), compliance.watch_deadlines),
    Job("metering.watch_usage", timedelta(hours=1), metering.watch_usage),
    Job("metering.make_months_ahead", timedelta(hours=6), partition_jobs.make_ahead),
    Job("billing.drop_old_reads", timedelta(hours=24), retention_jobs.drop_old_reads),
    Job("metering.judge_days", timedelta(minutes=1), judgements.judge_days),
    Job("metering.fill_due", timedelta(hours=6), estimating.fill_due),
    Job("metering.compare_homes", timedelta(hours=24), similar_homes.compare_homes),
    Job("billing.take_prices", timedelta(minutes=5), index_jobs.take_folder),
    Job("billing.run_due_cycles", timedelta(hours=1), billing.run_due_cycles),
    Job("billing.bill_waiting", timedelta(hours=24), billing.bill_waiting),
    Job("billing.charge_autopay", timedelta(hours=1), billing.charge_autopay),
    Job("billing.post_late_fees", timedelta(hours=6), billing.post_late_fees),
    Job("billing.follow_arrangements", timedelta(hours=6), billing.follow_arrangements),
    Job("billing.bill_final", timedelta(hours=6), correction_jobs.bill_final),
    Job("billing.true_up", timedelta(hours=24), correction_jobs.true_up),
    Job("billing.remind_due", timedelta(hours=6), arrears_jobs.remind_due),
    Job("billing.remind_instalments", timedelta(hours=6), arrears_jobs.remind_instalments),
    Job("billing.review_budgets", timedelta(hours=24), budget_jobs.review_budgets),
    Job("billing.remind_medical", timedelta(hours=6), arrears_jobs.remind_medical),
    Job("billing.return_deposits", timedelta(hours=24), deposit_jobs.return_due),
    Job("billing.climb", timedelta(hours=6), arrears_jobs.climb),
    Job("billing.remind_expiry", timedelta(hours=24), plan_jobs.remind_expiry),
    Job("billing.watch_bills", timedelta(hours=6), alert_jobs.watch_bills),
    Job("billing.watch_ahead", timedelta(hours=6), alert_jobs.watch_ahead),
    Job("billing.send_letters", timedelta(hours=1), letters.send_batches),
    Job("housekeeping.purge_deliveries", timedelta(hours=1), housekeeping.purge_deliveries),
    Job("demo.live_reads", timedelta(seconds=20), live.record),
)
