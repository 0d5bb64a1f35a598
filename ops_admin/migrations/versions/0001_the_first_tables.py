"""The first tables"""

from alembic import op

from billing import ddl
from metering import ddl as metering_ddl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '0001'
down_revision = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    for statements in ddl.BEFORE_CREATE.values():
        op.execute(statements)
    op.create_table('audit_entry',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('action', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('subject_id', sa.Text(), nullable=False),
    sa.Column('detail', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('previous_hash', sa.Text(), nullable=False),
    sa.Column('hash', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_entry')),
    sa.UniqueConstraint('hash', name=op.f('uq_audit_entry_hash'))
    )
    op.create_index(op.f('ix_audit_entry_at'), 'audit_entry', ['at'], unique=False)
    op.create_index(op.f('ix_audit_entry_subject_subject_id'), 'audit_entry', ['subject', 'subject_id'], unique=False)
    op.create_table('bill_run',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('period_end_on', sa.Date(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('issued_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("status IN ('OPEN', 'DONE', 'ISSUED')", name=op.f('ck_bill_run_status')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bill_run')),
    sa.UniqueConstraint('key', name=op.f('uq_bill_run_key'))
    )
    op.create_table('channel_identity',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.Column('first_seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_inbound_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("channel IN ('WEB', 'SMS', 'WHATSAPP', 'EMAIL', 'VOICE')", name=op.f('ck_channel_identity_channel')),
    sa.CheckConstraint("kind IN ('PHONE', 'EMAIL', 'VISITOR', 'BSUID', 'CALL')", name=op.f('ck_channel_identity_kind')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_channel_identity')),
    sa.UniqueConstraint('channel', 'kind', 'value', name=op.f('uq_channel_identity_channel_kind_value'))
    )
    op.create_table('compliance_deadline',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('subject_id', sa.BigInteger(), nullable=False),
    sa.Column('citation', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('warned_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('met_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("state IN ('OPEN', 'MET', 'MISSED', 'CANCELLED')", name=op.f('ck_compliance_deadline_state')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_compliance_deadline')),
    sa.UniqueConstraint('key', name=op.f('uq_compliance_deadline_key'))
    )
    op.create_index(op.f('ix_compliance_deadline_due_at'), 'compliance_deadline', ['due_at'], unique=False, postgresql_where="state = 'OPEN'")
    op.create_index(op.f('ix_compliance_deadline_subject_subject_id'), 'compliance_deadline', ['subject', 'subject_id'], unique=False)
    op.create_table('compliance_decision',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('action', sa.Text(), nullable=False),
    sa.Column('jurisdiction', sa.Text(), nullable=False),
    sa.Column('allowed', sa.Boolean(), nullable=False),
    sa.Column('rule', sa.Text(), nullable=False),
    sa.Column('citation', sa.Text(), nullable=False),
    sa.Column('verified', sa.Boolean(), nullable=False),
    sa.Column('inputs', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('results', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('subject', sa.Text(), nullable=True),
    sa.Column('subject_id', sa.BigInteger(), nullable=True),
    sa.Column('decided_for', sa.Date(), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_compliance_decision'))
    )
    op.create_index(op.f('ix_compliance_decision_action_decided_at'), 'compliance_decision', ['action', 'decided_at'], unique=False)
    op.create_index(op.f('ix_compliance_decision_subject_subject_id'), 'compliance_decision', ['subject', 'subject_id'], unique=False)
    op.create_table('crew',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('skills', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('capacity', sa.BigInteger(), nullable=False),
    sa.Column('active', sa.Boolean(), nullable=False),
    sa.CheckConstraint('capacity > 0', name=op.f('ck_crew_capacity')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_crew')),
    sa.UniqueConstraint('code', name=op.f('uq_crew_code'))
    )
    op.create_table('crm_event',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('event_key', sa.Text(), nullable=False),
    sa.Column('ticket_id', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('text', sa.Text(), nullable=True),
    sa.Column('staff_name', sa.Text(), nullable=True),
    sa.Column('occurred_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('raw', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_crm_event')),
    sa.UniqueConstraint('event_key', name=op.f('uq_crm_event_event_key'))
    )
    op.create_table('crm_link',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('remote_id', sa.Text(), nullable=False),
    sa.Column('content_hash', sa.Text(), nullable=False),
    sa.Column('pushed_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("kind IN ('CONTACT', 'TICKET', 'ACTIVITY', 'THREAD')", name=op.f('ck_crm_link_kind')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_crm_link')),
    sa.UniqueConstraint('kind', 'key', name=op.f('uq_crm_link_kind_key')),
    sa.UniqueConstraint('kind', 'remote_id', name=op.f('uq_crm_link_kind_remote_id'))
    )
    op.create_table('customer',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('number', sa.Text(), nullable=False),
    sa.Column('full_name', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('locale', sa.Text(), nullable=False),
    sa.Column('opened_on', sa.Date(), nullable=False),
    sa.Column('medical_equipment', sa.Boolean(), nullable=False),
    sa.Column('medical_detail', sa.Text(), nullable=True),
    sa.CheckConstraint("full_name <> ''", name=op.f('ck_customer_full_name')),
    sa.CheckConstraint("kind IN ('RESIDENTIAL', 'BUSINESS')", name=op.f('ck_customer_kind')),
    sa.CheckConstraint("locale IN ('en', 'es')", name=op.f('ck_customer_locale')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_customer')),
    sa.UniqueConstraint('number', name=op.f('uq_customer_number'))
    )
    op.create_table('fact',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('order_key', sa.Text(), nullable=False),
    sa.Column('payload', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_fact'))
    )
    op.create_index(op.f('ix_fact_name_recorded_at'), 'fact', ['name', 'recorded_at'], unique=False)
    op.create_index(op.f('ix_fact_order_key'), 'fact', ['order_key'], unique=False)
    op.create_table('feeder',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('substation', sa.Text(), nullable=False),
    sa.Column('postcodes', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_feeder')),
    sa.UniqueConstraint('code', name=op.f('uq_feeder_code'))
    )
    op.create_table('major_event_threshold',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('year', sa.BigInteger(), nullable=False),
    sa.Column('threshold', sa.Numeric(precision=18, scale=6), nullable=False),
    sa.Column('alpha', sa.Numeric(precision=18, scale=6), nullable=False),
    sa.Column('beta', sa.Numeric(precision=18, scale=6), nullable=False),
    sa.Column('days', sa.BigInteger(), nullable=False),
    sa.Column('deviation', sa.Text(), nullable=False),
    sa.Column('computed_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("deviation IN ('SAMPLE', 'POPULATION')", name=op.f('ck_major_event_threshold_deviation')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_major_event_threshold')),
    sa.UniqueConstraint('year', name=op.f('uq_major_event_threshold_year'))
    )
    op.create_table('payment_event',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('gateway', sa.Text(), nullable=False),
    sa.Column('event_id', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('external_id', sa.Text(), nullable=False),
    sa.Column('payload', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("outcome IN ('APPLIED', 'STALE', 'PARKED', 'DISMISSED')", name=op.f('ck_payment_event_outcome')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_payment_event')),
    sa.UniqueConstraint('gateway', 'event_id', name=op.f('uq_payment_event_gateway_event_id'))
    )
    op.create_index('ix_payment_event_parked', 'payment_event', ['gateway', 'external_id'], unique=False, postgresql_where=sa.text("outcome = 'PARKED'"))
    op.create_table('premise',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('address', sa.Text(), nullable=False),
    sa.Column('address_key', sa.Text(), nullable=False),
    sa.Column('city', sa.Text(), nullable=False),
    sa.Column('postcode', sa.Text(), nullable=False),
    sa.Column('county', sa.Text(), nullable=False),
    sa.Column('timezone', sa.Text(), nullable=False),
    sa.Column('dwelling', sa.Text(), nullable=True),
    sa.Column('floor_sqft', sa.BigInteger(), nullable=True),
    sa.Column('heating', sa.Text(), nullable=True),
    sa.CheckConstraint("address <> ''", name=op.f('ck_premise_address')),
    sa.CheckConstraint("dwelling IN ('HOUSE', 'APARTMENT')", name=op.f('ck_premise_dwelling')),
    sa.CheckConstraint("heating IN ('ELECTRIC', 'OTHER')", name=op.f('ck_premise_heating')),
    sa.CheckConstraint('floor_sqft BETWEEN 100 AND 50000', name=op.f('ck_premise_floor_sqft')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_premise'))
    )
    op.create_index(op.f('ix_premise_address_key_postcode'), 'premise', ['address_key', 'postcode'], unique=False)
    op.create_index(op.f('ix_premise_postcode'), 'premise', ['postcode'], unique=False)
    op.create_table('program',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('customer_kinds', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('requires', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('tariff_kinds', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('approval', sa.Boolean(), nullable=False),
    sa.Column('opens_on', sa.Date(), nullable=False),
    sa.Column('closes_on', sa.Date(), nullable=True),
    sa.Column('rebate_amount', sa.Numeric(precision=18, scale=2), nullable=False),
    sa.Column('saving_kwh', sa.Numeric(precision=12, scale=3), nullable=False),
    sa.Column('saving_kw', sa.Numeric(precision=12, scale=3), nullable=False),
    sa.Column('life_years', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("kind IN ('EFFICIENCY', 'DEMAND_RESPONSE', 'DYNAMIC_PRICING', 'ASSISTANCE', 'GENERATION')", name=op.f('ck_program_kind')),
    sa.CheckConstraint('closes_on IS NULL OR closes_on > opens_on', name=op.f('ck_program_dates')),
    sa.CheckConstraint('rebate_amount >= 0 AND saving_kwh >= 0 AND saving_kw >= 0', name=op.f('ck_program_amounts')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_program')),
    sa.UniqueConstraint('code', name=op.f('uq_program_code'))
    )
    op.create_table('read_batch',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('read', sa.BigInteger(), nullable=False),
    sa.Column('stored', sa.BigInteger(), nullable=False),
    sa.Column('unchanged', sa.BigInteger(), nullable=False),
    sa.Column('excepted', sa.BigInteger(), nullable=False),
    sa.Column('unreadable', sa.BigInteger(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('read = stored + unchanged + excepted + unreadable', name=op.f('ck_read_batch_adds_up')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_read_batch')),
    sa.UniqueConstraint('sha256', name=op.f('uq_read_batch_sha256'))
    )
    op.create_table('status_report',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('external_id', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('error_code', sa.Text(), nullable=True),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_status_report'))
    )
    op.create_index(op.f('ix_status_report_at'), 'status_report', ['at'], unique=False)
    op.create_index(op.f('ix_status_report_channel_external_id'), 'status_report', ['channel', 'external_id'], unique=False)
    op.create_table('tariff',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('customer_kind', sa.Text(), nullable=False),
    sa.Column('names', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('about', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('eligibility', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('exit_fee_cents', sa.BigInteger(), nullable=False),
    sa.Column('term_months', sa.BigInteger(), nullable=False),
    sa.Column('cooling_off_days', sa.BigInteger(), nullable=False),
    sa.Column('sold_from', sa.Date(), nullable=False),
    sa.Column('sold_to', sa.Date(), nullable=True),
    sa.CheckConstraint("customer_kind IN ('RESIDENTIAL', 'BUSINESS')", name=op.f('ck_tariff_customer_kind')),
    sa.CheckConstraint("kind IN ('FLAT', 'TIERED', 'TOU', 'DEMAND', 'HOURLY')", name=op.f('ck_tariff_kind')),
    sa.CheckConstraint('exit_fee_cents >= 0 AND term_months >= 0 AND cooling_off_days >= 0', name=op.f('ck_tariff_conditions')),
    sa.CheckConstraint('sold_to IS NULL OR sold_to > sold_from', name=op.f('ck_tariff_sold')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tariff')),
    sa.UniqueConstraint('code', name=op.f('uq_tariff_code'))
    )
    op.create_table('account',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('number', sa.Text(), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('opened_on', sa.Date(), nullable=False),
    sa.Column('closed_on', sa.Date(), nullable=True),
    sa.Column('paperless', sa.Boolean(), nullable=False),
    sa.Column('jurisdiction', sa.Text(), nullable=False),
    sa.Column('bill_cycle_day', sa.BigInteger(), nullable=False),
    sa.Column('mailing_address', sa.Text(), nullable=False),
    sa.CheckConstraint("(status = 'CLOSED') = (closed_on IS NOT NULL)", name=op.f('ck_account_closed_on')),
    sa.CheckConstraint("number ~ '^[0-9]{10}$'", name=op.f('ck_account_number')),
    sa.CheckConstraint("status IN ('ACTIVE', 'CLOSED')", name=op.f('ck_account_status')),
    sa.CheckConstraint('bill_cycle_day BETWEEN 1 AND 28', name=op.f('ck_account_bill_cycle_day')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_account_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_account')),
    sa.UniqueConstraint('number', name=op.f('uq_account_number'))
    )
    op.create_index(op.f('ix_account_bill_cycle_day_id'), 'account', ['bill_cycle_day', 'id'], unique=False, postgresql_where=sa.text("status = 'ACTIVE'"))
    op.create_index(op.f('ix_account_customer_id'), 'account', ['customer_id'], unique=False)
    op.create_table('bill_run_chunk',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('run_id', sa.BigInteger(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('agreement_ids', postgresql.ARRAY(sa.BigInteger()), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('counts', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('parked', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("status IN ('OPEN', 'DONE')", name=op.f('ck_bill_run_chunk_status')),
    sa.ForeignKeyConstraint(['run_id'], ['bill_run.id'], name=op.f('fk_bill_run_chunk_run_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bill_run_chunk')),
    sa.UniqueConstraint('run_id', 'position', name=op.f('uq_bill_run_chunk_run_id_position'))
    )
    op.create_table('consent',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('contact_value', sa.Text(), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=True),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('purpose', sa.Text(), nullable=False),
    sa.Column('granted', sa.Boolean(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("channel IN ('WEB', 'SMS', 'WHATSAPP', 'EMAIL', 'VOICE')", name=op.f('ck_consent_channel')),
    sa.CheckConstraint("purpose IN ('SERVICE', 'OUTAGE', 'ALERTS', 'PROGRAMS')", name=op.f('ck_consent_purpose')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_consent_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_consent'))
    )
    op.create_index(op.f('ix_consent_contact_value_channel_purpose_id'), 'consent', ['contact_value', 'channel', 'purpose', 'id'], unique=False)
    op.create_index(op.f('ix_consent_customer_id'), 'consent', ['customer_id'], unique=False)
    op.create_table('contact_point',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.Column('primary', sa.Boolean(), nullable=False),
    sa.Column('added_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('verified_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('removed_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("kind <> 'EMAIL' OR (value = lower(value) AND value LIKE '%%_@_%%')", name=op.f('ck_contact_point_email')),
    sa.CheckConstraint("kind <> 'PHONE' OR value ~ '^\\+[1-9][0-9]{6,14}$'", name=op.f('ck_contact_point_phone')),
    sa.CheckConstraint("kind IN ('PHONE', 'EMAIL')", name=op.f('ck_contact_point_kind')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_contact_point_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_contact_point')),
    sa.UniqueConstraint('customer_id', 'kind', 'value', name=op.f('uq_contact_point_customer_id_kind_value'))
    )
    op.create_index(op.f('ix_contact_point_kind_value'), 'contact_point', ['kind', 'value'], unique=False, postgresql_where=sa.text('removed_at IS NULL'))
    op.create_index('uq_contact_point_one_primary', 'contact_point', ['customer_id', 'kind'], unique=True, postgresql_where=sa.text('"primary" AND removed_at IS NULL'))
    op.create_table('crew_slot',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('crew_id', sa.BigInteger(), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('capacity', sa.BigInteger(), nullable=False),
    sa.Column('booked', sa.BigInteger(), nullable=False),
    postgresql.ExcludeConstraint((sa.column('crew_id'), '='), (sa.text("tstzrange(starts_at, ends_at, '[)')"), '&&'), using='gist', name='ex_crew_slot_one_at_a_time'),
    sa.CheckConstraint('booked >= 0 AND booked <= capacity', name=op.f('ck_crew_slot_booked')),
    sa.CheckConstraint('ends_at > starts_at', name=op.f('ck_crew_slot_dates')),
    sa.ForeignKeyConstraint(['crew_id'], ['crew.id'], name=op.f('fk_crew_slot_crew_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_crew_slot')),
    sa.UniqueConstraint('crew_id', 'starts_at', name=op.f('uq_crew_slot_crew_id_starts_at'))
    )
    op.create_index(op.f('ix_crew_slot_starts_at'), 'crew_slot', ['starts_at'], unique=False)
    op.create_table('delivery',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('fact_id', sa.BigInteger(), nullable=False),
    sa.Column('subscriber', sa.Text(), nullable=False),
    sa.Column('order_key', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('attempts', sa.BigInteger(), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('lease', sa.Text(), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.Column('done_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("state IN ('OWED', 'DONE', 'DEAD')", name=op.f('ck_delivery_state')),
    sa.ForeignKeyConstraint(['fact_id'], ['fact.id'], name=op.f('fk_delivery_fact_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_delivery'))
    )
    op.create_index('ix_delivery_dead', 'delivery', ['id'], unique=False, postgresql_where="state = 'DEAD'")
    op.create_index(op.f('ix_delivery_fact_id'), 'delivery', ['fact_id'], unique=False)
    op.create_index('ix_delivery_order', 'delivery', ['subscriber', 'order_key', 'id'], unique=False, postgresql_where="state = 'OWED'")
    op.create_index('ix_delivery_owed', 'delivery', ['due_at'], unique=False, postgresql_where="state = 'OWED'")
    op.create_table('demand_event',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('program_id', sa.BigInteger(), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('announced_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("status IN ('SCHEDULED', 'CANCELLED', 'DONE')", name=op.f('ck_demand_event_status')),
    sa.CheckConstraint('ends_at > starts_at', name=op.f('ck_demand_event_dates')),
    sa.ForeignKeyConstraint(['program_id'], ['program.id'], name=op.f('fk_demand_event_program_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_demand_event')),
    sa.UniqueConstraint('key', name=op.f('uq_demand_event_key'))
    )
    op.create_index(op.f('ix_demand_event_program_id_starts_at'), 'demand_event', ['program_id', 'starts_at'], unique=False)
    op.create_table('service_point',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('premise_id', sa.BigInteger(), nullable=False),
    sa.Column('transformer_id', sa.BigInteger(), nullable=True),
    sa.Column('connected', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['premise_id'], ['premise.id'], name=op.f('fk_service_point_premise_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_service_point'))
    )
    op.create_index(op.f('ix_service_point_premise_id'), 'service_point', ['premise_id'], unique=False)
    op.create_index(op.f('ix_service_point_transformer_id'), 'service_point', ['transformer_id'], unique=False)
    op.create_table('tariff_version',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('tariff_id', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('starts_on', sa.Date(), nullable=False),
    sa.Column('ends_on', sa.Date(), nullable=True),
    sa.Column('plan', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('published_at', sa.DateTime(timezone=True), nullable=False),
    postgresql.ExcludeConstraint((sa.column('tariff_id'), '='), (sa.text("daterange(starts_on, ends_on, '[)')"), '&&'), using='gist', name='ex_tariff_version_one_at_a_time'),
    sa.CheckConstraint('ends_on IS NULL OR ends_on > starts_on', name=op.f('ck_tariff_version_dates')),
    sa.ForeignKeyConstraint(['tariff_id'], ['tariff.id'], name=op.f('fk_tariff_version_tariff_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tariff_version')),
    sa.UniqueConstraint('tariff_id', 'version', name=op.f('uq_tariff_version_tariff_id_version'))
    )
    op.create_table('transformer',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('feeder_id', sa.BigInteger(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('lat', sa.Numeric(precision=9, scale=6), nullable=False),
    sa.Column('lon', sa.Numeric(precision=9, scale=6), nullable=False),
    sa.ForeignKeyConstraint(['feeder_id'], ['feeder.id'], name=op.f('fk_transformer_feeder_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_transformer')),
    sa.UniqueConstraint('code', name=op.f('uq_transformer_code'))
    )
    op.create_index(op.f('ix_transformer_feeder_id'), 'transformer', ['feeder_id'], unique=False)
    op.create_table('web_session',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('token_digest', sa.Text(), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('expires_at > opened_at', name=op.f('ck_web_session_expires_at')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_web_session_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_web_session')),
    sa.UniqueConstraint('token_digest', name=op.f('uq_web_session_token_digest'))
    )
    op.create_index(op.f('ix_web_session_customer_id'), 'web_session', ['customer_id'], unique=False)
    op.create_table('arrangement',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('total_cents', sa.BigInteger(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('reinstated_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("status IN ('PROPOSED', 'ACTIVE', 'KEPT', 'BROKEN')", name=op.f('ck_arrangement_status')),
    sa.CheckConstraint('total_cents > 0', name=op.f('ck_arrangement_total')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_arrangement_account_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_arrangement')),
    sa.UniqueConstraint('key', name=op.f('uq_arrangement_key'))
    )
    op.create_index(op.f('ix_arrangement_account_id_id'), 'arrangement', ['account_id', 'id'], unique=False)
    op.create_index('uq_arrangement_one_open', 'arrangement', ['account_id'], unique=True, postgresql_where=sa.text("status IN ('PROPOSED', 'ACTIVE')"))
    op.create_table('similar_homes',
    sa.Column('county', sa.Text(), nullable=False),
    sa.Column('dwelling', sa.Text(), nullable=False),
    sa.Column('size', sa.Text(), nullable=False),
    sa.Column('heating', sa.Text(), nullable=False),
    sa.Column('starts_on', sa.Date(), nullable=False),
    sa.Column('ends_on', sa.Date(), nullable=False),
    sa.Column('homes', sa.BigInteger(), nullable=False),
    sa.Column('mean_wh', sa.BigInteger(), nullable=False),
    sa.Column('frugal_wh', sa.BigInteger(), nullable=False),
    sa.Column('computed_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('homes > 0', name=op.f('ck_similar_homes_homes')),
    sa.CheckConstraint('starts_on < ends_on', name=op.f('ck_similar_homes_days')),
    sa.CheckConstraint('frugal_wh >= 0 AND mean_wh > 0', name=op.f('ck_similar_homes_wh')),
    sa.PrimaryKeyConstraint('county', 'dwelling', 'size', 'heating', name=op.f('pk_similar_homes'))
    )
    op.create_table('weather_day',
    sa.Column('county', sa.Text(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('high_f', sa.BigInteger(), nullable=True),
    sa.Column('low_f', sa.BigInteger(), nullable=True),
    sa.Column('forecast_high_f', sa.BigInteger(), nullable=True),
    sa.Column('heat_advisory', sa.Boolean(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("county <> '' AND source <> ''", name=op.f('ck_weather_day_named')),
    sa.PrimaryKeyConstraint('county', 'day', name=op.f('pk_weather_day'))
    )
    op.create_table('dunning_case',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('round', sa.BigInteger(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.CheckConstraint("(status = 'CLOSED') = (closed_at IS NOT NULL AND reason IS NOT NULL)", name=op.f('ck_dunning_case_closed')),
    sa.CheckConstraint("reason IN ('PAID', 'ARRANGEMENT', 'DISPUTE')", name=op.f('ck_dunning_case_reason')),
    sa.CheckConstraint("status IN ('OPEN', 'CLOSED')", name=op.f('ck_dunning_case_status')),
    sa.CheckConstraint('round > 0', name=op.f('ck_dunning_case_round')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_dunning_case_account_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dunning_case'))
    )
    op.create_index(op.f('ix_dunning_case_account_id_id'), 'dunning_case', ['account_id', 'id'], unique=False)
    op.create_index('ix_dunning_case_open', 'dunning_case', ['id'], unique=False, postgresql_where=sa.text("status = 'OPEN'"))
    op.create_index('uq_dunning_case_one_open', 'dunning_case', ['account_id'], unique=True, postgresql_where=sa.text("status = 'OPEN'"))
    op.create_table('dunning_step',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('case_id', sa.BigInteger(), nullable=False),
    sa.Column('round', sa.BigInteger(), nullable=False),
    sa.Column('step', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('overdue_cents', sa.BigInteger(), nullable=False),
    sa.Column('notice_key', sa.Text(), nullable=True),
    sa.Column('blocked_by', sa.Text(), nullable=True),
    sa.Column('request_number', sa.Text(), nullable=True),
    sa.Column('proof', sa.Text(), nullable=True),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('taken_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('proven_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(status = 'BLOCKED') = (blocked_by IS NOT NULL)", name=op.f('ck_dunning_step_blocked_by')),
    sa.CheckConstraint("(status = 'PROVEN') = (proven_at IS NOT NULL AND proof IS NOT NULL)", name=op.f('ck_dunning_step_proven')),
    sa.CheckConstraint("status IN ('SENT', 'LETTER', 'OWED', 'PROVEN', 'ORDERED', 'BLOCKED')", name=op.f('ck_dunning_step_status')),
    sa.CheckConstraint("step IN ('REMINDER', 'OVERDUE', 'TERMINATION_NOTICE', 'CONTACT_1', 'CONTACT_2', 'ORDER')", name=op.f('ck_dunning_step_step')),
    sa.ForeignKeyConstraint(['case_id'], ['dunning_case.id'], name=op.f('fk_dunning_step_case_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dunning_step')),
    sa.UniqueConstraint('case_id', 'round', 'step', name=op.f('uq_dunning_step_case_id_round_step'))
    )
    op.create_index('ix_dunning_step_owed', 'dunning_step', ['taken_at'], unique=False, postgresql_where=sa.text("status IN ('LETTER', 'OWED')"))
    op.create_table('bill_alert',
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('threshold_cents', sa.BigInteger(), nullable=False),
    sa.Column('set_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('told_for', sa.Date(), nullable=True),
    sa.CheckConstraint('threshold_cents > 0', name=op.f('ck_bill_alert_threshold')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_bill_alert_account_id')),
    sa.PrimaryKeyConstraint('account_id', name=op.f('pk_bill_alert'))
    )
    op.create_table('alert_setting',
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('wanted', sa.ARRAY(sa.Text()), nullable=False),
    sa.Column('channel', sa.Text(), nullable=True),
    sa.Column('quiet_from', sa.SmallInteger(), nullable=False),
    sa.Column('quiet_to', sa.SmallInteger(), nullable=False),
    sa.Column('set_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("wanted <@ ARRAY['SPIKE', 'HIGH_DAY', 'STEP_UP', 'NIGHT_BASE', 'DRIFT_UP', 'LEAK', 'FLAT', 'ZERO', 'DEAD_METER', 'PROJECTED_HIGH_BILL', 'PEAK_PERIOD']", name=op.f('ck_alert_setting_wanted')),
    sa.CheckConstraint("channel IN ('SMS', 'WHATSAPP', 'EMAIL')", name=op.f('ck_alert_setting_channel')),
    sa.CheckConstraint('quiet_from BETWEEN 0 AND 23 AND quiet_to BETWEEN 0 AND 23', name=op.f('ck_alert_setting_quiet')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_alert_setting_account_id')),
    sa.PrimaryKeyConstraint('account_id', name=op.f('pk_alert_setting'))
    )
    op.create_table('account_alert',
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('period_from', sa.Date(), nullable=False),
    sa.Column('data', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('told_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("kind IN ('PROJECTED_HIGH_BILL', 'PEAK_PERIOD')", name=op.f('ck_account_alert_kind')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_account_alert_account_id')),
    sa.PrimaryKeyConstraint('account_id', 'kind', 'period_from', name=op.f('pk_account_alert'))
    )
    op.create_table('billing_request',
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('operation', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('result', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_billing_request_account_id')),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_billing_request'))
    )
    op.create_index(op.f('ix_billing_request_account_id'), 'billing_request', ['account_id'], unique=False)
    op.create_table('conversation',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('token', sa.Text(), nullable=False),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('identity_id', sa.BigInteger(), nullable=False),
    sa.Column('thread_key', sa.Text(), nullable=True),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('floor', sa.Text(), nullable=False),
    sa.Column('locale', sa.Text(), nullable=False),
    sa.Column('locale_chosen', sa.Boolean(), nullable=False),
    sa.Column('level', sa.BigInteger(), nullable=False),
    sa.Column('verified_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('customer_id', sa.BigInteger(), nullable=True),
    sa.Column('recognised_customer_id', sa.BigInteger(), nullable=True),
    sa.Column('account_id', sa.BigInteger(), nullable=True),
    sa.Column('subject', sa.Text(), nullable=True),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_message_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_inbound_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_seq', sa.BigInteger(), nullable=False),
    sa.Column('turn_id', sa.Text(), nullable=True),
    sa.Column('disclosed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('delayed_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("channel IN ('WEB', 'SMS', 'WHATSAPP', 'EMAIL', 'VOICE')", name=op.f('ck_conversation_channel')),
    sa.CheckConstraint("floor IN ('BOT', 'WAITING', 'STAFF')", name=op.f('ck_conversation_floor')),
    sa.CheckConstraint("status IN ('OPEN', 'CLOSED')", name=op.f('ck_conversation_status')),
    sa.CheckConstraint('level < 2 OR (customer_id IS NOT NULL AND verified_until IS NOT NULL)', name=op.f('ck_conversation_verified')),
    sa.CheckConstraint('level BETWEEN 0 AND 3', name=op.f('ck_conversation_level')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_conversation_account_id')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_conversation_customer_id')),
    sa.ForeignKeyConstraint(['identity_id'], ['channel_identity.id'], name=op.f('fk_conversation_identity_id')),
    sa.ForeignKeyConstraint(['recognised_customer_id'], ['customer.id'], name=op.f('fk_conversation_recognised_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_conversation')),
    sa.UniqueConstraint('token', name=op.f('uq_conversation_token'))
    )
    op.create_index(op.f('ix_conversation_account_id'), 'conversation', ['account_id'], unique=False)
    op.create_index(op.f('ix_conversation_customer_id_last_message_at'), 'conversation', ['customer_id', 'last_message_at'], unique=False)
    op.create_index(op.f('ix_conversation_identity_id_id'), 'conversation', ['identity_id', 'id'], unique=False)
    op.create_index('ix_conversation_idle', 'conversation', ['last_message_at'], unique=False, postgresql_where=sa.text("status = 'OPEN'"))
    op.create_index(op.f('ix_conversation_recognised_customer_id_last_message_at'), 'conversation', ['recognised_customer_id', 'last_message_at'], unique=False)
    op.create_index('ix_conversation_thread', 'conversation', ['identity_id', 'thread_key'], unique=False, postgresql_where=sa.text('thread_key IS NOT NULL'))
    op.create_table('demand_participation',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('event_id', sa.BigInteger(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('answer', sa.Text(), nullable=False),
    sa.Column('saved_kwh', sa.Numeric(precision=12, scale=3), nullable=True),
    sa.Column('saved_kw', sa.Numeric(precision=12, scale=3), nullable=True),
    sa.CheckConstraint("answer IN ('IN', 'OUT')", name=op.f('ck_demand_participation_answer')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_demand_participation_account_id')),
    sa.ForeignKeyConstraint(['event_id'], ['demand_event.id'], name=op.f('fk_demand_participation_event_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_demand_participation')),
    sa.UniqueConstraint('event_id', 'account_id', name=op.f('uq_demand_participation_event_id_account_id'))
    )
    op.create_index(op.f('ix_demand_participation_account_id'), 'demand_participation', ['account_id'], unique=False)
    op.create_table('enrolment',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('program_id', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('declared', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(status = 'ENDED') = (ended_at IS NOT NULL)", name=op.f('ck_enrolment_ended')),
    sa.CheckConstraint("status IN ('REQUESTED', 'ACTIVE', 'DECLINED', 'ENDED')", name=op.f('ck_enrolment_status')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_enrolment_account_id')),
    sa.ForeignKeyConstraint(['program_id'], ['program.id'], name=op.f('fk_enrolment_program_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_enrolment')),
    sa.UniqueConstraint('key', name=op.f('uq_enrolment_key'))
    )
    op.create_index(op.f('ix_enrolment_account_id'), 'enrolment', ['account_id'], unique=False)
    op.create_index(op.f('ix_enrolment_program_id_status'), 'enrolment', ['program_id', 'status'], unique=False)
    op.create_index('uq_enrolment_one_alive', 'enrolment', ['account_id', 'program_id'], unique=True, postgresql_where=sa.text("status IN ('REQUESTED', 'ACTIVE')"))
    op.create_table('ledger_journal',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('effective_on', sa.Date(), nullable=False),
    sa.Column('booked_on', sa.Date(), nullable=True),
    sa.Column('posted_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('codes', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('cents', postgresql.ARRAY(sa.BigInteger()), nullable=False),
    sa.CheckConstraint("codes <@ ARRAY['RECEIVABLE', 'REVENUE', 'TAX_PAYABLE', 'CASH', 'FEE_REVENUE', 'ADJUSTMENTS', 'DEPOSITS', 'INTEREST_EXPENSE', 'BAD_DEBT', 'DISPUTED_CASH', 'BUDGET_DEFERRED']", name=op.f('ck_ledger_journal_code')),
    sa.CheckConstraint('cardinality(cents) > 0 AND cardinality(cents) = cardinality(codes) AND 0 <> ALL (cents)', name=op.f('ck_ledger_journal_entries')),
    sa.CheckConstraint('billing_sum(cents) = 0', name=op.f('ck_ledger_journal_balances')),
    sa.CheckConstraint("kind IN ('BILL', 'BILL_CANCELLED', 'PAYMENT', 'PAYMENT_RETURNED', 'REFUND', 'LATE_FEE', 'LATE_FEE_WAIVED', 'ADJUSTMENT', 'EXIT_FEE', 'RETURN_FEE', 'DISPUTE', 'DISPUTE_WON', 'DISPUTE_LOST', 'CREDIT', 'WRITE_OFF', 'RECOVERY', 'DEPOSIT', 'DEPOSIT_INTEREST', 'DEPOSIT_RETURNED', 'REFUND_FAILED', 'BUDGET', 'BUDGET_SETTLED')", name=op.f('ck_ledger_journal_kind')),
    sa.CheckConstraint('booked_on IS NULL OR booked_on > effective_on', name=op.f('ck_ledger_journal_booked_on')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_ledger_journal_account_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger_journal')),
    sa.UniqueConstraint('key', name=op.f('uq_ledger_journal_key'))
    )
    op.create_index(op.f('ix_ledger_journal_account_id'), 'ledger_journal', ['account_id'], unique=False)
    op.create_table('meter',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('number', sa.Text(), nullable=False),
    sa.Column('service_point_id', sa.BigInteger(), nullable=False),
    sa.Column('interval_minutes', sa.SmallInteger(), nullable=True),
    sa.Column('installed_on', sa.Date(), nullable=False),
    sa.Column('removed_on', sa.Date(), nullable=True),
    sa.Column('digits', sa.SmallInteger(), nullable=False),
    sa.Column('multiplier', sa.Numeric(precision=10, scale=3), nullable=False),
    sa.Column('direction', sa.Text(), nullable=False),
    sa.Column('last_read_at', sa.DateTime(timezone=True), nullable=True),
    postgresql.ExcludeConstraint((sa.column('service_point_id'), '='), (sa.column('direction'), '='), (sa.text('daterange(installed_on, removed_on)'), '&&'), using='gist', name='ex_meter_one_at_a_time'),
    sa.CheckConstraint("direction IN ('DELIVERED', 'RECEIVED')", name=op.f('ck_meter_direction')),
    sa.CheckConstraint('digits BETWEEN 3 AND 9', name=op.f('ck_meter_digits')),
    sa.CheckConstraint('interval_minutes IN (5, 15, 30, 60)', name=op.f('ck_meter_interval_minutes')),
    sa.CheckConstraint('multiplier > 0', name=op.f('ck_meter_multiplier')),
    sa.CheckConstraint('removed_on IS NULL OR removed_on >= installed_on', name=op.f('ck_meter_removed_on')),
    sa.ForeignKeyConstraint(['service_point_id'], ['service_point.id'], name=op.f('fk_meter_service_point_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_meter')),
    sa.UniqueConstraint('number', 'direction', name=op.f('uq_meter_number_direction')),
    postgresql_with={'fillfactor': '50'}
    )
    op.create_index(op.f('ix_meter_service_point_id'), 'meter', ['service_point_id'], unique=False)
    op.create_table('outage',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('number', sa.Text(), nullable=True),
    sa.Column('feeder_id', sa.BigInteger(), nullable=False),
    sa.Column('transformer_id', sa.BigInteger(), nullable=True),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('cause', sa.Text(), nullable=False),
    sa.Column('crew_status', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('hazard', sa.Boolean(), nullable=False),
    sa.Column('priority', sa.BigInteger(), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('announced_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('estimated_restoration_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('restored_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('parent_id', sa.BigInteger(), nullable=True),
    sa.Column('merged_into_id', sa.BigInteger(), nullable=True),
    sa.CheckConstraint("(status = 'MERGED') = (merged_into_id IS NOT NULL)", name=op.f('ck_outage_merged')),
    sa.CheckConstraint("(status = 'RESTORED') = (restored_at IS NOT NULL)", name=op.f('ck_outage_restored')),
    sa.CheckConstraint("cause IN ('UNKNOWN', 'WEATHER', 'TREE', 'EQUIPMENT', 'ANIMAL', 'VEHICLE', 'LOSS_OF_SUPPLY', 'PLANNED', 'OTHER')", name=op.f('ck_outage_cause')),
    sa.CheckConstraint("crew_status IN ('UNASSIGNED', 'ASSIGNED', 'EN_ROUTE', 'ON_SITE', 'DONE')", name=op.f('ck_outage_crew_status')),
    sa.CheckConstraint("source IN ('REPORT', 'LAST_GASP', 'STAFF', 'PLANNED')", name=op.f('ck_outage_source')),
    sa.CheckConstraint("status IN ('REPORTED', 'CONFIRMED', 'CREW_ASSIGNED', 'RESTORED', 'MERGED')", name=op.f('ck_outage_status')),
    sa.CheckConstraint('parent_id <> id AND merged_into_id <> id', name=op.f('ck_outage_others')),
    sa.CheckConstraint('restored_at >= started_at', name=op.f('ck_outage_dates')),
    sa.ForeignKeyConstraint(['feeder_id'], ['feeder.id'], name=op.f('fk_outage_feeder_id')),
    sa.ForeignKeyConstraint(['merged_into_id'], ['outage.id'], name=op.f('fk_outage_merged_into_id')),
    sa.ForeignKeyConstraint(['parent_id'], ['outage.id'], name=op.f('fk_outage_parent_id')),
    sa.ForeignKeyConstraint(['transformer_id'], ['transformer.id'], name=op.f('fk_outage_transformer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outage')),
    sa.UniqueConstraint('number', name=op.f('uq_outage_number'))
    )
    op.create_index(op.f('ix_outage_feeder_id'), 'outage', ['feeder_id'], unique=False)
    op.create_index(op.f('ix_outage_merged_into_id'), 'outage', ['merged_into_id'], unique=False)
    op.create_index(op.f('ix_outage_parent_id'), 'outage', ['parent_id'], unique=False)
    op.create_index(op.f('ix_outage_started_at'), 'outage', ['started_at'], unique=False)
    op.create_index(op.f('ix_outage_transformer_id'), 'outage', ['transformer_id'], unique=False)
    op.create_index('uq_outage_open_feeder', 'outage', ['feeder_id'], unique=True, postgresql_where=sa.text("status NOT IN ('RESTORED', 'MERGED') AND transformer_id IS NULL"))
    op.create_index('uq_outage_open_transformer', 'outage', ['transformer_id'], unique=True, postgresql_where=sa.text("status NOT IN ('RESTORED', 'MERGED') AND transformer_id IS NOT NULL"))
    op.create_table('payment_link',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('token', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('amount_cents', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('attempt', sa.BigInteger(), nullable=False),
    sa.Column('checkout_id', sa.Text(), nullable=True),
    sa.Column('checkout_url', sa.Text(), nullable=True),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("status IN ('OPEN', 'PROCESSING', 'PAID')", name=op.f('ck_payment_link_status')),
    sa.CheckConstraint('amount_cents > 0', name=op.f('ck_payment_link_amount')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_payment_link_account_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_payment_link')),
    sa.UniqueConstraint('key', name=op.f('uq_payment_link_key')),
    sa.UniqueConstraint('token', name=op.f('uq_payment_link_token'))
    )
    op.create_index(op.f('ix_payment_link_account_id'), 'payment_link', ['account_id'], unique=False)
    op.create_index(op.f('ix_payment_link_checkout_id'), 'payment_link', ['checkout_id'], unique=False)
    op.create_table('rebate',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('program_id', sa.BigInteger(), nullable=False),
    sa.Column('amount', sa.Numeric(precision=18, scale=2), nullable=False),
    sa.Column('evidence', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('claimed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('paid_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("status IN ('CLAIMED', 'APPROVED', 'PAID', 'DECLINED')", name=op.f('ck_rebate_status')),
    sa.CheckConstraint('amount > 0', name=op.f('ck_rebate_amount')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_rebate_account_id')),
    sa.ForeignKeyConstraint(['program_id'], ['program.id'], name=op.f('fk_rebate_program_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rebate')),
    sa.UniqueConstraint('key', name=op.f('uq_rebate_key'))
    )
    op.create_index(op.f('ix_rebate_account_id'), 'rebate', ['account_id'], unique=False)
    op.create_index(op.f('ix_rebate_program_id'), 'rebate', ['program_id'], unique=False)
    op.create_index('uq_rebate_evidence', 'rebate', ['program_id', 'evidence'], unique=True, postgresql_where=sa.text("status <> 'DECLINED'"))
    op.create_table('saved_method',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('gateway', sa.Text(), nullable=False),
    sa.Column('method_id', sa.Text(), nullable=False),
    sa.Column('gateway_customer_id', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('last4', sa.Text(), nullable=False),
    sa.Column('saved_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('removed_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("kind IN ('CARD', 'BANK')", name=op.f('ck_saved_method_kind')),
    sa.CheckConstraint("last4 ~ '^[0-9]{4}$'", name=op.f('ck_saved_method_last4')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_saved_method_account_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_saved_method')),
    sa.UniqueConstraint('gateway', 'method_id', name=op.f('uq_saved_method_gateway_method_id'))
    )
    op.create_index(op.f('ix_saved_method_account_id'), 'saved_method', ['account_id'], unique=False)
    op.create_table('service_agreement',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('service_point_id', sa.BigInteger(), nullable=False),
    sa.Column('starts_on', sa.Date(), nullable=False),
    sa.Column('ends_on', sa.Date(), nullable=True),
    postgresql.ExcludeConstraint((sa.column('service_point_id'), '='), (sa.text("daterange(starts_on, ends_on, '[)')"), '&&'), using='gist', name='ex_service_agreement_one_at_a_time'),
    sa.CheckConstraint('ends_on IS NULL OR ends_on >= starts_on', name=op.f('ck_service_agreement_dates')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_service_agreement_account_id')),
    sa.ForeignKeyConstraint(['service_point_id'], ['service_point.id'], name=op.f('fk_service_agreement_service_point_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_service_agreement')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_service_agreement_account_id_id'))
    )
    op.create_index(op.f('ix_service_agreement_account_id_starts_on'), 'service_agreement', ['account_id', 'starts_on'], unique=False)
    op.create_index('ix_service_agreement_ended', 'service_agreement', ['ends_on'], unique=False, postgresql_where=sa.text('ends_on IS NOT NULL'))
    op.create_index(op.f('ix_service_agreement_service_point_id'), 'service_agreement', ['service_point_id'], unique=False)
    op.create_table('service_request',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('number', sa.Text(), nullable=True),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=True),
    sa.Column('customer_id', sa.BigInteger(), nullable=True),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('data', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(status IN ('DONE', 'CANCELLED')) = (closed_at IS NOT NULL)", name=op.f('ck_service_request_closed')),
    sa.CheckConstraint("kind IN ('NEW_CONNECTION', 'REPAIR', 'MAINTENANCE', 'METER_TEST', 'START_SERVICE', 'STOP_SERVICE', 'MOVE', 'COMPLAINT', 'DISPUTE', 'PRIVACY', 'SOLAR', 'STREETLIGHT', 'TREE', 'RECONNECT', 'CALLBACK', 'DISCONNECT')", name=op.f('ck_service_request_kind')),
    sa.CheckConstraint("status IN ('OPEN', 'SCHEDULED', 'IN_PROGRESS', 'DONE', 'CANCELLED')", name=op.f('ck_service_request_status')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_service_request_account_id')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_service_request_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_service_request')),
    sa.UniqueConstraint('key', name=op.f('uq_service_request_key')),
    sa.UniqueConstraint('number', name=op.f('uq_service_request_number'))
    )
    op.create_index(op.f('ix_service_request_account_id_opened_at'), 'service_request', ['account_id', 'opened_at'], unique=False)
    op.create_index(op.f('ix_service_request_customer_id'), 'service_request', ['customer_id'], unique=False)
    op.create_index(op.f('ix_service_request_status_opened_at'), 'service_request', ['status', 'opened_at'], unique=False)
    op.create_table('usage_alert',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('service_point_id', sa.BigInteger(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('excess_wh', sa.BigInteger(), nullable=False),
    sa.Column('expected_wh', sa.BigInteger(), nullable=False),
    sa.Column('score', sa.Numeric(precision=10, scale=2), nullable=False),
    sa.Column('cost_cents', sa.BigInteger(), nullable=True),
    sa.Column('feedback', sa.Text(), nullable=True),
    sa.Column('feedback_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("kind IN ('SPIKE', 'HIGH_DAY', 'STEP_UP', 'NIGHT_BASE', 'DRIFT_UP', 'LEAK', 'FLAT', 'ZERO', 'DEAD_METER')", name=op.f('ck_usage_alert_kind')),
    sa.CheckConstraint('ends_at > starts_at', name=op.f('ck_usage_alert_ends_at')),
    sa.CheckConstraint('closed_at IS NULL OR closed_at >= starts_at', name=op.f('ck_usage_alert_closed_at')),
    sa.CheckConstraint("feedback IN ('OURS', 'PROBLEM')", name=op.f('ck_usage_alert_feedback')),
    sa.CheckConstraint('(feedback IS NULL) = (feedback_at IS NULL)', name=op.f('ck_usage_alert_feedback_at')),
    sa.ForeignKeyConstraint(['service_point_id'], ['service_point.id'], name=op.f('fk_usage_alert_service_point_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_usage_alert'))
    )
    op.create_index('uq_usage_alert_open', 'usage_alert', ['service_point_id', 'kind'], unique=True, postgresql_where=sa.text('closed_at IS NULL'))
    op.create_index('uq_usage_alert_service_point_id_day_kind', 'usage_alert', ['service_point_id', 'day', 'kind'], unique=True)
    op.create_table('alert_patience',
    sa.Column('service_point_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('patience', sa.Numeric(precision=3, scale=2), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("kind IN ('SPIKE', 'HIGH_DAY', 'STEP_UP', 'NIGHT_BASE', 'DRIFT_UP', 'LEAK', 'FLAT', 'ZERO', 'DEAD_METER')", name=op.f('ck_alert_patience_kind')),
    sa.CheckConstraint('patience > 1 AND patience <= 2', name=op.f('ck_alert_patience_patience')),
    sa.ForeignKeyConstraint(['service_point_id'], ['service_point.id'], name=op.f('fk_alert_patience_service_point_id')),
    sa.PrimaryKeyConstraint('service_point_id', 'kind', name=op.f('pk_alert_patience'))
    )
    op.create_table('usage_watch',
    sa.Column('service_point_id', sa.BigInteger(), nullable=False),
    sa.Column('judged_to', sa.Date(), nullable=False),
    sa.ForeignKeyConstraint(['service_point_id'], ['service_point.id'], name=op.f('fk_usage_watch_service_point_id')),
    sa.PrimaryKeyConstraint('service_point_id', name=op.f('pk_usage_watch'))
    )
    op.create_table('verification',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('conversation_id', sa.BigInteger(), nullable=True),
    sa.Column('customer_id', sa.BigInteger(), nullable=True),
    sa.Column('contact_point_id', sa.BigInteger(), nullable=True),
    sa.Column('purpose', sa.Text(), nullable=False),
    sa.Column('code_digest', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('attempts', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('verified_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("purpose IN ('CONVERSATION', 'SIGN_IN', 'CHANGE')", name=op.f('ck_verification_purpose')),
    sa.CheckConstraint("state IN ('PENDING', 'VERIFIED', 'FAILED', 'SUPERSEDED')", name=op.f('ck_verification_state')),
    sa.CheckConstraint('attempts >= 0', name=op.f('ck_verification_attempts')),
    sa.ForeignKeyConstraint(['contact_point_id'], ['contact_point.id'], name=op.f('fk_verification_contact_point_id')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_verification_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_verification')),
    sa.UniqueConstraint('key', name=op.f('uq_verification_key'))
    )
    op.create_index(op.f('ix_verification_contact_point_id'), 'verification', ['contact_point_id'], unique=False)
    op.create_index(op.f('ix_verification_conversation_id_created_at'), 'verification', ['conversation_id', 'created_at'], unique=False)
    op.create_index(op.f('ix_verification_customer_id_created_at'), 'verification', ['customer_id', 'created_at'], unique=False)
    op.create_table('agreement_tariff',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('agreement_id', sa.BigInteger(), nullable=False),
    sa.Column('tariff_id', sa.BigInteger(), nullable=False),
    sa.Column('starts_on', sa.Date(), nullable=False),
    sa.Column('ends_on', sa.Date(), nullable=True),
    sa.Column('term_starts_on', sa.Date(), nullable=False),
    sa.Column('cooling_off_until', sa.Date(), nullable=True),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    postgresql.ExcludeConstraint((sa.column('agreement_id'), '='), (sa.text("daterange(starts_on, ends_on, '[)')"), '&&'), using='gist', name='ex_agreement_tariff_one_at_a_time'),
    sa.CheckConstraint('ends_on IS NULL OR ends_on >= starts_on', name=op.f('ck_agreement_tariff_dates')),
    sa.CheckConstraint('term_starts_on <= starts_on', name=op.f('ck_agreement_tariff_term')),
    sa.ForeignKeyConstraint(['agreement_id'], ['service_agreement.id'], name=op.f('fk_agreement_tariff_agreement_id')),
    sa.ForeignKeyConstraint(['tariff_id'], ['tariff.id'], name=op.f('fk_agreement_tariff_tariff_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_agreement_tariff'))
    )
    op.create_index(op.f('ix_agreement_tariff_agreement_id_starts_on'), 'agreement_tariff', ['agreement_id', 'starts_on'], unique=False)
    op.create_index(op.f('ix_agreement_tariff_tariff_id'), 'agreement_tariff', ['tariff_id'], unique=False)
    op.create_table('appointment',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('request_id', sa.BigInteger(), nullable=False),
    sa.Column('slot_id', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('booked_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('moved_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('cancelled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('reminded_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("status IN ('BOOKED', 'CANCELLED', 'DONE', 'MISSED')", name=op.f('ck_appointment_status')),
    sa.ForeignKeyConstraint(['request_id'], ['service_request.id'], name=op.f('fk_appointment_request_id')),
    sa.ForeignKeyConstraint(['slot_id'], ['crew_slot.id'], name=op.f('fk_appointment_slot_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_appointment'))
    )
    op.create_index(op.f('ix_appointment_request_id'), 'appointment', ['request_id'], unique=False)
    op.create_index(op.f('ix_appointment_slot_id'), 'appointment', ['slot_id'], unique=False)
    op.create_index('uq_appointment_one_booked', 'appointment', ['request_id'], unique=True, postgresql_where=sa.text("status = 'BOOKED'"))
    op.create_table('arrangement_instalment',
    sa.Column('arrangement_id', sa.BigInteger(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('due_on', sa.Date(), nullable=False),
    sa.Column('amount_cents', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.CheckConstraint("status IN ('DUE', 'PAID', 'MISSED')", name=op.f('ck_arrangement_instalment_status')),
    sa.CheckConstraint('amount_cents > 0', name=op.f('ck_arrangement_instalment_amount')),
    sa.ForeignKeyConstraint(['arrangement_id'], ['arrangement.id'], name=op.f('fk_arrangement_instalment_arrangement_id')),
    sa.PrimaryKeyConstraint('arrangement_id', 'position', name=op.f('pk_arrangement_instalment'))
    )
    op.create_table('autopay',
    sa.Column('account_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('saved_method_id', sa.BigInteger(), nullable=True),
    sa.Column('paused_for', sa.Text(), nullable=True),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_autopay_account_id')),
    sa.ForeignKeyConstraint(['saved_method_id'], ['saved_method.id'], name=op.f('fk_autopay_saved_method_id')),
    sa.PrimaryKeyConstraint('account_id', name=op.f('pk_autopay'))
    )
    op.create_index(op.f('ix_autopay_saved_method_id'), 'autopay', ['saved_method_id'], unique=False)
    op.create_table('bill_form',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('components', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('codes', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('descriptions', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('args', postgresql.ARRAY(postgresql.JSONB(astext_type=sa.Text())), nullable=False),
    sa.Column('units', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('unit_prices', postgresql.ARRAY(sa.Numeric(precision=20, scale=9)), nullable=False),
    sa.Column('energy_at', sa.BigInteger(), nullable=False),
    sa.Column('energy_lines', sa.BigInteger(), nullable=False),
    sa.Column('tax_at', sa.BigInteger(), nullable=False),
    sa.Column('credits_kwh', sa.Boolean(), nullable=False),
    sa.CheckConstraint("credits_kwh = (array_to_string(codes, ' ') LIKE '%credit.kwh%')", name=op.f('ck_bill_form_credits_kwh')),
    sa.CheckConstraint("components <@ ARRAY['fixed', 'energy', 'demand', 'minimum', 'credit', 'rider', 'tax']", name=op.f('ck_bill_form_component')),
    sa.CheckConstraint('cardinality(components) = ALL (ARRAY[cardinality(codes), cardinality(descriptions), cardinality(args), cardinality(units), cardinality(unit_prices)])', name=op.f('ck_bill_form_lines')),
    sa.CheckConstraint("'energy' = ALL (components[energy_at : energy_at + energy_lines - 1]) AND energy_lines + cardinality(array_positions(codes, 'energy.index')) = cardinality(array_positions(components, 'energy'))", name=op.f('ck_bill_form_energy')),
    sa.CheckConstraint("'tax' = ALL (components[tax_at :]) AND cardinality(components) - tax_at + 1 = cardinality(array_positions(components, 'tax'))", name=op.f('ck_bill_form_tax')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bill_form')),
    sa.UniqueConstraint('sha256', name=op.f('uq_bill_form_sha256'))
    )
    op.create_table('bill',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('number', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('agreement_id', sa.BigInteger(), nullable=False),
    sa.Column('run_id', sa.BigInteger(), nullable=True),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('starts_on', sa.Date(), nullable=False),
    sa.Column('ends_on', sa.Date(), nullable=False),
    sa.Column('tariff_code', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('hold_code', sa.Text(), nullable=True),
    sa.Column('findings', postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('form_id', sa.BigInteger(), nullable=False),
    sa.Column('quantities', postgresql.ARRAY(sa.BigInteger()), nullable=False),
    sa.Column('amounts', postgresql.ARRAY(sa.BigInteger()), nullable=False),
    sa.Column('total_cents', sa.BigInteger(), nullable=False),
    sa.Column('wh', sa.BigInteger(), nullable=False),
    sa.Column('peak_watts', sa.BigInteger(), nullable=True),
    sa.Column('estimated', sa.Boolean(), nullable=False),
    sa.Column('rounding', sa.Text(), nullable=False),
    sa.Column('input_hash', sa.LargeBinary(), nullable=False),
    sa.Column('rated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('issued_on', sa.Date(), nullable=True),
    sa.Column('due_on', sa.Date(), nullable=True),
    sa.Column('cancelled_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(status = 'CANCELLED') = (cancelled_at IS NOT NULL)", name=op.f('ck_bill_cancelled_at')),
    sa.CheckConstraint("(status = 'HELD') = (hold_code IS NOT NULL)", name=op.f('ck_bill_hold_code')),
    sa.CheckConstraint("status IN ('DRAFT', 'HELD', 'ISSUED', 'CANCELLED')", name=op.f('ck_bill_status')),
    sa.CheckConstraint("status NOT IN ('ISSUED', 'CANCELLED') OR (issued_on IS NOT NULL AND due_on IS NOT NULL)", name=op.f('ck_bill_issued')),
    sa.CheckConstraint("CAST(split_part(number, '-', 2) AS bigint) = id", name=op.f('ck_bill_number')),
    sa.CheckConstraint('cardinality(quantities) = cardinality(amounts) AND total_cents = billing_sum(amounts)', name=op.f('ck_bill_adds_up')),
    sa.CheckConstraint('ends_on > starts_on', name=op.f('ck_bill_dates')),
    sa.ForeignKeyConstraint(['account_id', 'agreement_id'], ['service_agreement.account_id', 'service_agreement.id'], name=op.f('fk_bill_account_id_agreement_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bill')),
    sa.UniqueConstraint('agreement_id', 'starts_on', 'version', name=op.f('uq_bill_agreement_id_starts_on_version'))
    )
    op.create_index(op.f('ix_bill_account_id_starts_on'), 'bill', ['account_id', 'starts_on'], unique=False)
    op.create_index('ix_bill_credit', 'bill', ['account_id'], unique=False, postgresql_where=sa.text("status = 'ISSUED' AND total_cents < 0"))
    op.create_index('ix_bill_due', 'bill', ['due_on'], unique=False, postgresql_where=sa.text("status = 'ISSUED'"))
    op.create_index('ix_bill_estimated', 'bill', ['id'], unique=False, postgresql_where=sa.text("status = 'ISSUED' AND estimated"))
    op.create_index('ix_bill_run', 'bill', ['run_id'], unique=False, postgresql_using='brin')
    op.create_index('ix_bill_waiting', 'bill', ['run_id', 'id'], unique=False, postgresql_where=sa.text("status IN ('DRAFT', 'HELD')"))
    op.create_index('uq_bill_one_standing', 'bill', ['agreement_id', 'starts_on'], unique=True, postgresql_where=sa.text("status <> 'CANCELLED'"))
    op.create_table('index_price',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('timezone', sa.Text(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('interval_minutes', sa.BigInteger(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('micros', postgresql.ARRAY(sa.BigInteger()), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('recorded_by', sa.Text(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('version >= 1', name=op.f('ck_index_price_version')),
    sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f('ck_index_price_currency')),
    sa.CheckConstraint('interval_minutes IN (15, 30, 60)', name=op.f('ck_index_price_interval_minutes')),
    sa.CheckConstraint('cardinality(micros) * interval_minutes BETWEEN 1380 AND 1500 AND array_position(micros, NULL) IS NULL', name=op.f('ck_index_price_micros')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_index_price')),
    sa.UniqueConstraint('code', 'day', 'version', name=op.f('uq_index_price_code_day_version'))
    )
    op.create_table('interaction',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('conversation_id', sa.BigInteger(), nullable=False),
    sa.Column('customer_id', sa.BigInteger(), nullable=True),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('first_seq', sa.BigInteger(), nullable=False),
    sa.Column('last_seq', sa.BigInteger(), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('last_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('intents', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('inbound', sa.BigInteger(), nullable=False),
    sa.Column('outbound', sa.BigInteger(), nullable=False),
    sa.Column('handed_off', sa.Boolean(), nullable=False),
    sa.CheckConstraint("channel IN ('WEB', 'SMS', 'WHATSAPP', 'EMAIL', 'VOICE')", name=op.f('ck_interaction_channel')),
    sa.CheckConstraint('last_seq >= first_seq', name=op.f('ck_interaction_seq')),
    sa.ForeignKeyConstraint(['conversation_id'], ['conversation.id'], name=op.f('fk_interaction_conversation_id')),
    sa.ForeignKeyConstraint(['customer_id'], ['customer.id'], name=op.f('fk_interaction_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_interaction'))
    )
    op.create_index(op.f('ix_interaction_conversation_id_id'), 'interaction', ['conversation_id', 'id'], unique=False)
    op.create_index(op.f('ix_interaction_customer_id_started_at'), 'interaction', ['customer_id', 'started_at'], unique=False)
    op.create_table('message',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('conversation_id', sa.BigInteger(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('direction', sa.Text(), nullable=False),
    sa.Column('author', sa.Text(), nullable=False),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=True),
    sa.Column('html', sa.Text(), nullable=True),
    sa.Column('ssml', sa.Text(), nullable=True),
    sa.Column('kind', sa.Text(), nullable=True),
    sa.Column('data', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('payload', sa.Text(), nullable=True),
    sa.Column('attachments', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('headers', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('code_digest', sa.Text(), nullable=True),
    sa.Column('redacted', sa.Boolean(), nullable=False),
    sa.Column('staff_name', sa.Text(), nullable=True),
    sa.Column('purpose', sa.Text(), nullable=True),
    sa.Column('notice_key', sa.Text(), nullable=True),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('status_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('error_code', sa.Text(), nullable=True),
    sa.Column('external_id', sa.Text(), nullable=True),
    sa.Column('in_reply_to', sa.BigInteger(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('provider_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(direction = 'IN' AND status IN ('RECEIVED', 'ANSWERED', 'RELAYED', 'KEYWORD', 'SILENT')) OR (direction = 'OUT' AND status IN ('OWED', 'QUEUED', 'SENT', 'DELIVERED', 'READ', 'UNDELIVERED', 'FAILED', 'UNCERTAIN', 'SUPPRESSED', 'CANCELLED'))", name=op.f('ck_message_status')),
    sa.CheckConstraint("author IN ('CUSTOMER', 'ASSISTANT', 'STAFF', 'SYSTEM')", name=op.f('ck_message_author')),
    sa.CheckConstraint("channel IN ('WEB', 'SMS', 'WHATSAPP', 'EMAIL', 'VOICE')", name=op.f('ck_message_channel')),
    sa.CheckConstraint("direction IN ('IN', 'OUT')", name=op.f('ck_message_direction')),
    sa.ForeignKeyConstraint(['conversation_id'], ['conversation.id'], name=op.f('fk_message_conversation_id')),
    sa.ForeignKeyConstraint(['in_reply_to'], ['message.id'], name=op.f('fk_message_in_reply_to')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_message')),
    sa.UniqueConstraint('conversation_id', 'seq', name=op.f('uq_message_conversation_id_seq'))
    )
    op.create_index(op.f('ix_message_created_at'), 'message', ['created_at'], unique=False)
    op.create_index('ix_message_reply', 'message', ['in_reply_to'], unique=False, postgresql_where=sa.text('in_reply_to IS NOT NULL'))
    op.create_index('ix_message_unanswered', 'message', ['conversation_id', 'seq'], unique=False, postgresql_where=sa.text("status = 'RECEIVED'"))
    op.create_index('uq_message_external', 'message', ['channel', 'direction', 'external_id'], unique=True, postgresql_where=sa.text('external_id IS NOT NULL'))
    op.create_index('uq_message_notice', 'message', ['notice_key'], unique=True, postgresql_where=sa.text('notice_key IS NOT NULL'))
    op.create_table('outage_report',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('outage_id', sa.BigInteger(), nullable=True),
    sa.Column('service_point_id', sa.BigInteger(), nullable=True),
    sa.Column('postcode', sa.Text(), nullable=True),
    sa.Column('hazard', sa.Boolean(), nullable=False),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('grouped', sa.Boolean(), nullable=False),
    sa.Column('duplicate', sa.Boolean(), nullable=False),
    sa.Column('reported_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("channel IN ('WEB', 'SMS', 'WHATSAPP', 'EMAIL', 'VOICE', 'STAFF')", name=op.f('ck_outage_report_channel')),
    sa.ForeignKeyConstraint(['outage_id'], ['outage.id'], name=op.f('fk_outage_report_outage_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outage_report')),
    sa.UniqueConstraint('key', name=op.f('uq_outage_report_key'))
    )
    op.create_index(op.f('ix_outage_report_outage_id_service_point_id'), 'outage_report', ['outage_id', 'service_point_id'], unique=False)
    op.create_index(op.f('ix_outage_report_postcode_reported_at'), 'outage_report', ['postcode', 'reported_at'], unique=False)
    op.create_index(op.f('ix_outage_report_service_point_id'), 'outage_report', ['service_point_id'], unique=False)
    op.create_table('outage_service_point',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('outage_id', sa.BigInteger(), nullable=False),
    sa.Column('service_point_id', sa.BigInteger(), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('restored_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('restored_at >= started_at', name=op.f('ck_outage_service_point_dates')),
    sa.ForeignKeyConstraint(['outage_id'], ['outage.id'], name=op.f('fk_outage_service_point_outage_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outage_service_point')),
    sa.UniqueConstraint('outage_id', 'service_point_id', name=op.f('uq_outage_service_point_outage_id_service_point_id'))
    )
    op.create_index(op.f('ix_outage_service_point_service_point_id_started_at'), 'outage_service_point', ['service_point_id', 'started_at'], unique=False)
    op.create_index('uq_outage_service_point_open', 'outage_service_point', ['service_point_id'], unique=True, postgresql_where=sa.text('restored_at IS NULL'))
    op.create_table('outage_update',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('outage_id', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('crew_status', sa.Text(), nullable=False),
    sa.Column('estimated_restoration_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['outage_id'], ['outage.id'], name=op.f('fk_outage_update_outage_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outage_update'))
    )
    op.create_index(op.f('ix_outage_update_outage_id_id'), 'outage_update', ['outage_id', 'id'], unique=False)
    op.create_table('payment',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('gateway', sa.Text(), nullable=False),
    sa.Column('external_id', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('link_id', sa.BigInteger(), nullable=True),
    sa.Column('amount_cents', sa.BigInteger(), nullable=False),
    sa.Column('refunded_cents', sa.BigInteger(), nullable=False),
    sa.Column('returned_cents', sa.BigInteger(), nullable=False),
    sa.Column('method', sa.Text(), nullable=True),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('failure_code', sa.Text(), nullable=True),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('told_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("status IN ('PROCESSING', 'SUCCEEDED', 'FAILED', 'RETURNED', 'REFUNDED', 'DISPUTED')", name=op.f('ck_payment_status')),
    sa.CheckConstraint('amount_cents > 0', name=op.f('ck_payment_amount')),
    sa.CheckConstraint('refunded_cents >= 0 AND returned_cents >= 0 AND refunded_cents + returned_cents <= amount_cents', name=op.f('ck_payment_gone_once')),
    sa.CheckConstraint("status NOT IN ('RETURNED', 'REFUNDED') OR refunded_cents + returned_cents = amount_cents", name=op.f('ck_payment_gone')),
    sa.CheckConstraint("status <> 'SUCCEEDED' OR refunded_cents + returned_cents < amount_cents", name=op.f('ck_payment_here')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_payment_account_id')),
    sa.ForeignKeyConstraint(['link_id'], ['payment_link.id'], name=op.f('fk_payment_link_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_payment')),
    sa.UniqueConstraint('gateway', 'external_id', name=op.f('uq_payment_gateway_external_id'))
    )
    op.create_index(op.f('ix_payment_account_id_received_at'), 'payment', ['account_id', 'received_at'], unique=False)
    op.create_index(op.f('ix_payment_link_id'), 'payment', ['link_id'], unique=False)
    op.create_table('planned_outage',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('number', sa.Text(), nullable=True),
    sa.Column('feeder_id', sa.BigInteger(), nullable=False),
    sa.Column('transformer_id', sa.BigInteger(), nullable=True),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('outage_id', sa.BigInteger(), nullable=True),
    sa.CheckConstraint("status IN ('SCHEDULED', 'STARTED', 'DONE', 'CANCELLED')", name=op.f('ck_planned_outage_status')),
    sa.CheckConstraint('ends_at > starts_at', name=op.f('ck_planned_outage_dates')),
    sa.ForeignKeyConstraint(['feeder_id'], ['feeder.id'], name=op.f('fk_planned_outage_feeder_id')),
    sa.ForeignKeyConstraint(['outage_id'], ['outage.id'], name=op.f('fk_planned_outage_outage_id')),
    sa.ForeignKeyConstraint(['transformer_id'], ['transformer.id'], name=op.f('fk_planned_outage_transformer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_planned_outage')),
    sa.UniqueConstraint('number', name=op.f('uq_planned_outage_number'))
    )
    op.create_index(op.f('ix_planned_outage_feeder_id_starts_at'), 'planned_outage', ['feeder_id', 'starts_at'], unique=False)
    op.create_index(op.f('ix_planned_outage_outage_id'), 'planned_outage', ['outage_id'], unique=False)
    op.create_index(op.f('ix_planned_outage_transformer_id'), 'planned_outage', ['transformer_id'], unique=False)
    op.create_table('read_day',
    sa.Column('meter_id', sa.BigInteger(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('wh', sa.LargeBinary(), nullable=False),
    sa.Column('quality', sa.LargeBinary(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('raw', sa.LargeBinary(), nullable=True),
    sa.Column('rule', sa.LargeBinary(), nullable=True),
    sa.Column('judged_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('octet_length(raw) = octet_length(wh) AND octet_length(rule) = octet_length(quality)', name=op.f('ck_read_day_raw')),
    sa.CheckConstraint('(raw IS NULL) = (rule IS NULL)', name=op.f('ck_read_day_rule')),
    sa.CheckConstraint('octet_length(quality) * 4 = octet_length(wh)', name=op.f('ck_read_day_quality')),
    sa.CheckConstraint('octet_length(wh) IN (96, 192, 384, 1152)', name=op.f('ck_read_day_wh')),
    sa.ForeignKeyConstraint(['meter_id'], ['meter.id'], name=op.f('fk_read_day_meter_id')),
    sa.PrimaryKeyConstraint('meter_id', 'day', name=op.f('pk_read_day')),
    postgresql_partition_by='RANGE (day)'
    )
    op.execute('CREATE TABLE read_day_default PARTITION OF read_day DEFAULT')
    op.create_index('ix_read_day_unjudged', 'read_day', ['day'], unique=False, postgresql_where=sa.text('judged_at IS NULL'))
    op.create_table('read_day_version',
    sa.Column('meter_id', sa.BigInteger(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('wh', sa.LargeBinary(), nullable=False),
    sa.Column('quality', sa.LargeBinary(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('replaced_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('replaced_by', sa.Text(), nullable=False),
    sa.Column('raw', sa.LargeBinary(), nullable=True),
    sa.Column('rule', sa.LargeBinary(), nullable=True),
    sa.ForeignKeyConstraint(['meter_id'], ['meter.id'], name=op.f('fk_read_day_version_meter_id')),
    sa.PrimaryKeyConstraint('meter_id', 'day', 'version', name=op.f('pk_read_day_version')),
    postgresql_partition_by='RANGE (day)'
    )
    op.execute('CREATE TABLE read_day_version_default PARTITION OF read_day_version DEFAULT')
    op.create_table('read_exception',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('meter_id', sa.BigInteger(), nullable=True),
    sa.Column('batch_id', sa.BigInteger(), nullable=True),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('severity', sa.Text(), server_default=sa.text("'E'"), nullable=False),
    sa.Column('day', sa.Date(), nullable=True),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('data', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('resolved_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('resolution', sa.Text(), nullable=True),
    sa.Column('resolved_by', sa.Text(), nullable=True),
    sa.CheckConstraint("code IN ('UNKNOWN_METER', 'UNREADABLE', 'OUTSIDE_METER', 'NEGATIVE', 'TOO_HIGH', 'PULSE_OVERFLOW',"
                       " 'SPIKE', 'ZERO', 'FLAT', 'HIGH_USE', 'LOW_USE', 'UNUSUAL_USE', 'UNIT', 'GAP', 'DST_HOUR',"
                       " 'DUPLICATE_DAY', 'INTERVAL_SIZE', 'REGISTER_SUM', 'MULTIPLIER', 'DIAL_BACK', 'NO_AGREEMENT',"
                       " 'METER_OVERLAP', 'NO_GENERATION', 'REVERSE_ROTATION', 'SIBLING_MISSING',"
                       " 'PROLONGED_ESTIMATION', 'REPLACED', 'FUTURE', 'WRONG_INTERVAL', 'OFF_GRID', 'DUPLICATE',"
                       " 'LOWER_THAN_PREVIOUS')", name=op.f('ck_read_exception_code')),
    sa.CheckConstraint("severity IN ('E', 'W', 'I')", name=op.f('ck_read_exception_severity')),
    sa.CheckConstraint("resolution IS NULL OR resolved_at IS NOT NULL AND resolution IN ('ACCEPTED', 'ESTIMATED', 'EDITED', 'OVERTAKEN', 'NOTED')", name=op.f('ck_read_exception_resolution')),
    sa.ForeignKeyConstraint(['batch_id'], ['read_batch.id'], name=op.f('fk_read_exception_batch_id')),
    sa.ForeignKeyConstraint(['meter_id'], ['meter.id'], name=op.f('fk_read_exception_meter_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_read_exception'))
    )
    op.create_index('ix_read_exception_gap', 'read_exception', ['day'], unique=False, postgresql_where=sa.text("code = 'GAP' AND (resolution IS NULL OR resolution = 'NOTED')"))
    op.create_index('uq_read_exception_meter_id_day_code', 'read_exception', ['meter_id', 'day', 'code'], unique=True, postgresql_where=sa.text('day IS NOT NULL'))
    op.create_index(op.f('ix_read_exception_batch_id'), 'read_exception', ['batch_id'], unique=False)
    op.create_index(op.f('ix_read_exception_meter_id'), 'read_exception', ['meter_id'], unique=False)
    op.create_index('ix_read_exception_open', 'read_exception', ['recorded_at'], unique=False, postgresql_where=sa.text('resolved_at IS NULL'))
    op.create_table('rebate_update',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('rebate_id', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['rebate_id'], ['rebate.id'], name=op.f('fk_rebate_update_rebate_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rebate_update'))
    )
    op.create_index(op.f('ix_rebate_update_rebate_id_id'), 'rebate_update', ['rebate_id', 'id'], unique=False)
    op.create_table('register_read',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('meter_id', sa.BigInteger(), nullable=False),
    sa.Column('read_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('value', sa.Numeric(precision=12, scale=3), nullable=False),
    sa.Column('quality', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("quality IN ('ACTUAL', 'ESTIMATED', 'EDITED', 'CUSTOMER')", name=op.f('ck_register_read_quality')),
    sa.CheckConstraint('value >= 0', name=op.f('ck_register_read_value')),
    sa.ForeignKeyConstraint(['meter_id'], ['meter.id'], name=op.f('fk_register_read_meter_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_register_read'))
    )
    op.create_index('uq_register_read_meter_id_read_at', 'register_read', ['meter_id', 'read_at'], unique=True)
    op.create_table('request_update',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('request_id', sa.BigInteger(), nullable=False),
    sa.Column('step', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("step IN ('OPENED', 'BOOKED', 'MOVED', 'APPOINTMENT_CANCELLED', 'STARTED', 'NOTE', 'DONE', 'CANCELLED')", name=op.f('ck_request_update_step')),
    sa.ForeignKeyConstraint(['request_id'], ['service_request.id'], name=op.f('fk_request_update_request_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_request_update'))
    )
    op.create_index(op.f('ix_request_update_request_id_id'), 'request_update', ['request_id', 'id'], unique=False)
    op.create_table('submitted_reading',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('service_point_id', sa.BigInteger(), nullable=False),
    sa.Column('meter_id', sa.BigInteger(), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('usage_wh', sa.BigInteger(), nullable=True),
    sa.Column('previous_value', sa.Numeric(precision=12, scale=3), nullable=True),
    sa.Column('submitted_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("(status = 'ACCEPTED') = (reason IS NULL)", name=op.f('ck_submitted_reading_reason')),
    sa.CheckConstraint("status IN ('ACCEPTED', 'CHECK', 'REJECTED')", name=op.f('ck_submitted_reading_status')),
    sa.ForeignKeyConstraint(['meter_id'], ['meter.id'], name=op.f('fk_submitted_reading_meter_id')),
    sa.ForeignKeyConstraint(['service_point_id'], ['service_point.id'], name=op.f('fk_submitted_reading_service_point_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_submitted_reading')),
    sa.UniqueConstraint('key', name=op.f('uq_submitted_reading_key'))
    )
    op.create_index(op.f('ix_submitted_reading_meter_id'), 'submitted_reading', ['meter_id'], unique=False)
    op.create_index(op.f('ix_submitted_reading_service_point_id'), 'submitted_reading', ['service_point_id'], unique=False)
    op.create_table('appointment_action',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('action', sa.Text(), nullable=False),
    sa.Column('appointment_id', sa.BigInteger(), nullable=False),
    sa.Column('result', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("action IN ('BOOK', 'MOVE', 'CANCEL')", name=op.f('ck_appointment_action_action')),
    sa.ForeignKeyConstraint(['appointment_id'], ['appointment.id'], name=op.f('fk_appointment_action_appointment_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_appointment_action')),
    sa.UniqueConstraint('key', name=op.f('uq_appointment_action_key'))
    )
    op.create_index(op.f('ix_appointment_action_appointment_id'), 'appointment_action', ['appointment_id'], unique=False)
    op.create_table('bill_carried',
    sa.Column('bill_id', sa.BigInteger(), nullable=False),
    sa.Column('bank_wh', postgresql.ARRAY(sa.BigInteger()), nullable=False),
    sa.Column('excess_wh', sa.BigInteger(), nullable=False),
    sa.Column('credit_cents', sa.BigInteger(), nullable=False),
    sa.Column('minimum_cents', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('0 <= ALL (bank_wh) AND excess_wh >= 0 AND credit_cents >= 0', name=op.f('ck_bill_carried_not_below_zero')),
    sa.ForeignKeyConstraint(['bill_id'], ['bill.id'], name=op.f('fk_bill_carried_bill_id'), ondelete='CASCADE', initially='DEFERRED', deferrable=True),
    sa.PrimaryKeyConstraint('bill_id', name=op.f('pk_bill_carried'))
    )
    op.create_table('bill_document',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('bill_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('locale', sa.Text(), nullable=False),
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('template_version', sa.BigInteger(), nullable=False),
    sa.Column('rendered_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("kind IN ('PDF', 'HTML', 'UBL', 'NOTE_PDF', 'NOTE_HTML', 'NOTE_UBL')", name=op.f('ck_bill_document_kind')),
    sa.CheckConstraint("sha256 = encode(sha256(body), 'hex') AND size = octet_length(body)", name=op.f('ck_bill_document_hash')),
    sa.ForeignKeyConstraint(['bill_id'], ['bill.id'], name=op.f('fk_bill_document_bill_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bill_document')),
    sa.UniqueConstraint('bill_id', 'kind', 'locale', name=op.f('uq_bill_document_bill_id_kind_locale'))
    )
    op.create_table('bill_correction',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('bill_id', sa.BigInteger(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('first_day', sa.Date(), nullable=False),
    sa.Column('last_day', sa.Date(), nullable=False),
    sa.Column('changed_by', sa.Text(), nullable=False),
    sa.Column('before_cents', sa.BigInteger(), nullable=False),
    sa.Column('after_cents', sa.BigInteger(), nullable=False),
    sa.Column('difference_cents', sa.BigInteger(), nullable=False),
    sa.Column('before_wh', sa.BigInteger(), nullable=False),
    sa.Column('after_wh', sa.BigInteger(), nullable=False),
    sa.Column('lines', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('estimated', sa.Boolean(), nullable=False),
    sa.Column('input_hash', sa.LargeBinary(), nullable=False),
    sa.Column('allowed', sa.Boolean(), nullable=False),
    sa.Column('earliest_on', sa.Date(), nullable=True),
    sa.Column('citation', sa.Text(), nullable=False),
    sa.Column('proposed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_by', sa.Text(), nullable=True),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('new_bill_id', sa.BigInteger(), nullable=True),
    sa.CheckConstraint("status IN ('OPEN', 'ACCEPTED', 'REJECTED', 'OVERTAKEN')", name=op.f('ck_bill_correction_status')),
    sa.CheckConstraint('difference_cents = after_cents - before_cents', name=op.f('ck_bill_correction_difference')),
    sa.CheckConstraint("(status = 'OPEN') = (decided_at IS NULL)", name=op.f('ck_bill_correction_decided_at')),
    sa.CheckConstraint("(status = 'ACCEPTED') = (new_bill_id IS NOT NULL)", name=op.f('ck_bill_correction_new_bill_id')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_bill_correction_account_id')),
    sa.ForeignKeyConstraint(['bill_id'], ['bill.id'], name=op.f('fk_bill_correction_bill_id')),
    sa.ForeignKeyConstraint(['new_bill_id'], ['bill.id'], name=op.f('fk_bill_correction_new_bill_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bill_correction'))
    )
    op.create_index('ix_bill_correction_account_id', 'bill_correction', ['account_id'], unique=False)
    op.create_index('ix_bill_correction_bill_id', 'bill_correction', ['bill_id'], unique=False)
    op.create_index('ix_bill_correction_status', 'bill_correction', ['id'], unique=False, postgresql_where=sa.text("status = 'OPEN'"))
    op.create_index('uq_bill_correction_open', 'bill_correction', ['bill_id'], unique=True, postgresql_where=sa.text("status = 'OPEN'"))
    op.create_table('charge',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('bill_id', sa.BigInteger(), nullable=True),
    sa.Column('amount_cents', sa.BigInteger(), nullable=False),
    sa.Column('rule', sa.Text(), nullable=False),
    sa.Column('charged_on', sa.Date(), nullable=False),
    sa.Column('due_on', sa.Date(), nullable=True),
    sa.Column('waived_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(kind = 'LATE_FEE') = (bill_id IS NOT NULL)", name=op.f('ck_charge_bill')),
    sa.CheckConstraint("kind IN ('LATE_FEE', 'EXIT_FEE', 'RETURN_FEE', 'DEPOSIT', 'BUDGET')", name=op.f('ck_charge_kind')),
    sa.CheckConstraint('amount_cents > 0', name=op.f('ck_charge_amount')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_charge_account_id')),
    sa.ForeignKeyConstraint(['bill_id'], ['bill.id'], name=op.f('fk_charge_bill_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_charge')),
    sa.UniqueConstraint('bill_id', 'charged_on', name=op.f('uq_charge_bill_id_charged_on'))
    )
    op.create_index(op.f('ix_charge_account_id'), 'charge', ['account_id'], unique=False)
    op.create_table('choice',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('token', sa.Text(), nullable=False),
    sa.Column('conversation_id', sa.BigInteger(), nullable=False),
    sa.Column('message_id', sa.BigInteger(), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('label', sa.Text(), nullable=False),
    sa.Column('payload', sa.Text(), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['conversation_id'], ['conversation.id'], name=op.f('fk_choice_conversation_id')),
    sa.ForeignKeyConstraint(['message_id'], ['message.id'], name=op.f('fk_choice_message_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_choice')),
    sa.UniqueConstraint('message_id', 'number', name=op.f('uq_choice_message_id_number')),
    sa.UniqueConstraint('token', name=op.f('uq_choice_token'))
    )
    op.create_index(op.f('ix_choice_conversation_id_id'), 'choice', ['conversation_id', 'id'], unique=False)
    op.create_table('dispute',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('number', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('bill_id', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("status IN ('OPEN', 'UPHELD', 'REJECTED', 'WITHDRAWN')", name=op.f('ck_dispute_status')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_dispute_account_id')),
    sa.ForeignKeyConstraint(['bill_id'], ['bill.id'], name=op.f('fk_dispute_bill_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_dispute')),
    sa.UniqueConstraint('key', name=op.f('uq_dispute_key')),
    sa.UniqueConstraint('number', name=op.f('uq_dispute_number'))
    )
    op.create_index(op.f('ix_dispute_account_id_id'), 'dispute', ['account_id', 'id'], unique=False)
    op.create_index('uq_dispute_one_open', 'dispute', ['bill_id'], unique=True, postgresql_where=sa.text("status = 'OPEN'"))
    op.create_table('handoff',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('conversation_id', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('priority', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('cause_message_id', sa.BigInteger(), nullable=True),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('accepted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('staff_name', sa.Text(), nullable=True),
    sa.Column('end_reason', sa.Text(), nullable=True),
    sa.CheckConstraint("(status = 'CLOSED') = (closed_at IS NOT NULL)", name=op.f('ck_handoff_closed_at')),
    sa.CheckConstraint("end_reason IN ('STAFF_CLOSED', 'TIMED_OUT', 'CUSTOMER_ENDED', 'CONVERSATION_CLOSED', 'FAILURE')", name=op.f('ck_handoff_end_reason')),
    sa.CheckConstraint("priority IN ('NORMAL', 'HIGH', 'EMERGENCY')", name=op.f('ck_handoff_priority')),
    sa.CheckConstraint("reason IN ('CUSTOMER_ASKED', 'NOT_UNDERSTOOD', 'EMERGENCY', 'IDENTITY', 'COMPLAINT', 'FAILURE', 'STAFF', 'RULE')", name=op.f('ck_handoff_reason')),
    sa.CheckConstraint("status IN ('WAITING', 'ACCEPTED', 'CLOSED')", name=op.f('ck_handoff_status')),
    sa.ForeignKeyConstraint(['cause_message_id'], ['message.id'], name=op.f('fk_handoff_cause_message_id')),
    sa.ForeignKeyConstraint(['conversation_id'], ['conversation.id'], name=op.f('fk_handoff_conversation_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_handoff')),
    sa.UniqueConstraint('key', name=op.f('uq_handoff_key'))
    )
    op.create_index(op.f('ix_handoff_cause_message_id'), 'handoff', ['cause_message_id'], unique=False)
    op.create_index(op.f('ix_handoff_conversation_id_id'), 'handoff', ['conversation_id', 'id'], unique=False)
    op.create_index('ix_handoff_waiting', 'handoff', ['requested_at'], unique=False, postgresql_where=sa.text("status = 'WAITING'"))
    op.create_index('uq_handoff_one_open', 'handoff', ['conversation_id'], unique=True, postgresql_where=sa.text("status <> 'CLOSED'"))
    op.create_table('work_order',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('request_id', sa.BigInteger(), nullable=False),
    sa.Column('appointment_id', sa.BigInteger(), nullable=True),
    sa.Column('crew_id', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('completion_note', sa.Text(), nullable=True),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('done_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("status IN ('OPEN', 'STARTED', 'DONE', 'CANCELLED')", name=op.f('ck_work_order_status')),
    sa.ForeignKeyConstraint(['appointment_id'], ['appointment.id'], name=op.f('fk_work_order_appointment_id')),
    sa.ForeignKeyConstraint(['crew_id'], ['crew.id'], name=op.f('fk_work_order_crew_id')),
    sa.ForeignKeyConstraint(['request_id'], ['service_request.id'], name=op.f('fk_work_order_request_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_work_order')),
    sa.UniqueConstraint('appointment_id', name=op.f('uq_work_order_appointment_id'))
    )
    op.create_index(op.f('ix_work_order_crew_id_status'), 'work_order', ['crew_id', 'status'], unique=False)
    op.create_index(op.f('ix_work_order_request_id'), 'work_order', ['request_id'], unique=False)
    # ### commands auto generated by Alembic - please adjust! ###
    op.create_table('gateway_movement',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('gateway', sa.Text(), nullable=False),
    sa.Column('movement_id', sa.Text(), nullable=False),
    sa.Column('external_id', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('cents', sa.BigInteger(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('moved_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_gateway_movement')),
    sa.UniqueConstraint('gateway', 'movement_id', name=op.f('uq_gateway_movement_gateway_movement_id'))
    )
    op.create_index(op.f('ix_gateway_movement_gateway_external_id'), 'gateway_movement', ['gateway', 'external_id'], unique=False)
    # ### commands auto generated by Alembic - please adjust! ###
    op.create_table('ledger_period',
    sa.Column('starts_on', sa.Date(), nullable=False),
    sa.Column('totals', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('closed_by', sa.Text(), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("date_trunc('month', starts_on) = starts_on", name=op.f('ck_ledger_period_month')),
    sa.PrimaryKeyConstraint('starts_on', name=op.f('pk_ledger_period'))
    )
    # ### commands auto generated by Alembic - please adjust! ###
    op.create_table('mandate',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('saved_method_id', sa.BigInteger(), nullable=False),
    sa.Column('scheme', sa.Text(), nullable=False),
    sa.Column('reference', sa.Text(), nullable=True),
    sa.Column('text_version', sa.Text(), nullable=False),
    sa.Column('accepted_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('accepted_how', sa.Text(), nullable=False),
    sa.Column('notice_days', sa.BigInteger(), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("accepted_how IN ('HOSTED_PAGE', 'WEB', 'PHONE', 'PAPER')", name=op.f('ck_mandate_accepted_how')),
    sa.CheckConstraint("scheme IN ('ACH', 'SEPA')", name=op.f('ck_mandate_scheme')),
    sa.CheckConstraint('notice_days >= 0', name=op.f('ck_mandate_notice')),
    sa.CheckConstraint("scheme = 'ACH' OR reference IS NOT NULL", name=op.f('ck_mandate_reference')),
    sa.ForeignKeyConstraint(['saved_method_id'], ['saved_method.id'], name=op.f('fk_mandate_saved_method_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_mandate'))
    )
    op.create_index('uq_mandate_one_live', 'mandate', ['saved_method_id'], unique=True, postgresql_where=sa.text('revoked_at IS NULL'))
    # ### commands auto generated by Alembic - please adjust! ###
    op.create_table('debit_notice',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('mandate_id', sa.BigInteger(), nullable=False),
    sa.Column('bill_id', sa.BigInteger(), nullable=False),
    sa.Column('amount_cents', sa.BigInteger(), nullable=False),
    sa.Column('collect_on', sa.Date(), nullable=False),
    sa.Column('announced_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('amount_cents > 0', name=op.f('ck_debit_notice_amount')),
    sa.ForeignKeyConstraint(['bill_id'], ['bill.id'], name=op.f('fk_debit_notice_bill_id')),
    sa.ForeignKeyConstraint(['mandate_id'], ['mandate.id'], name=op.f('fk_debit_notice_mandate_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_debit_notice'))
    )
    op.create_index(op.f('ix_debit_notice_bill_id'), 'debit_notice', ['bill_id'], unique=False)
    op.create_index('uq_debit_notice_one_open', 'debit_notice', ['mandate_id', 'bill_id'], unique=True, postgresql_where=sa.text('used_at IS NULL'))
    # ### commands auto generated by Alembic - please adjust! ###
    op.create_table('bank_transfer',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('bank', sa.Text(), nullable=False),
    sa.Column('entry_id', sa.Text(), nullable=False),
    sa.Column('amount_cents', sa.BigInteger(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('booked_on', sa.Date(), nullable=False),
    sa.Column('payer', sa.Text(), nullable=False),
    sa.Column('remittance', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('payment_id', sa.BigInteger(), nullable=True),
    sa.Column('matched_by', sa.Text(), nullable=True),
    sa.Column('loaded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('method', sa.Text(), server_default='bank_transfer', nullable=False),
    sa.CheckConstraint("method IN ('bank_transfer', 'cash')", name=op.f('ck_bank_transfer_method')),
    sa.CheckConstraint("(status = 'MATCHED') = (payment_id IS NOT NULL)", name=op.f('ck_bank_transfer_payment')),
    sa.CheckConstraint("status IN ('MATCHED', 'UNMATCHED', 'PARKED', 'SENT_BACK')", name=op.f('ck_bank_transfer_status')),
    sa.CheckConstraint('amount_cents > 0', name=op.f('ck_bank_transfer_amount')),
    sa.ForeignKeyConstraint(['payment_id'], ['payment.id'], name=op.f('fk_bank_transfer_payment_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bank_transfer')),
    sa.UniqueConstraint('bank', 'entry_id', name=op.f('uq_bank_transfer_bank_entry_id')),
    sa.UniqueConstraint('payment_id', name=op.f('uq_bank_transfer_payment_id'))
    )
    op.create_table('shop_slip',
    sa.Column('bill_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('amount_cents', sa.BigInteger(), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('amount_cents > 0', name=op.f('ck_shop_slip_amount')),
    sa.ForeignKeyConstraint(['bill_id'], ['bill.id'], name=op.f('fk_shop_slip_bill_id')),
    sa.PrimaryKeyConstraint('bill_id', name=op.f('pk_shop_slip'))
    )
    op.create_index('ix_bank_transfer_waiting', 'bank_transfer', ['id'], unique=False, postgresql_where=sa.text("status IN ('UNMATCHED', 'PARKED')"))
    # ### commands auto generated by Alembic - please adjust! ###
    op.create_table('chargeback',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('gateway', sa.Text(), nullable=False),
    sa.Column('external_id', sa.Text(), nullable=False),
    sa.Column('payment_id', sa.BigInteger(), nullable=False),
    sa.Column('amount_cents', sa.BigInteger(), nullable=False),
    sa.Column('held_cents', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(status = 'OPEN') = (closed_at IS NULL)", name=op.f('ck_chargeback_closed_at')),
    sa.CheckConstraint("status IN ('OPEN', 'WON', 'LOST')", name=op.f('ck_chargeback_status')),
    sa.CheckConstraint('amount_cents > 0', name=op.f('ck_chargeback_amount')),
    sa.CheckConstraint('held_cents BETWEEN 0 AND amount_cents', name=op.f('ck_chargeback_held')),
    sa.ForeignKeyConstraint(['payment_id'], ['payment.id'], name=op.f('fk_chargeback_payment_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_chargeback')),
    sa.UniqueConstraint('gateway', 'external_id', name=op.f('uq_chargeback_gateway_external_id'))
    )
    op.create_index(op.f('ix_chargeback_payment_id'), 'chargeback', ['payment_id'], unique=False)
    op.create_index('uq_chargeback_one_open', 'chargeback', ['payment_id'], unique=True, postgresql_where=sa.text("status = 'OPEN'"))
    op.create_table('phone_payment',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('call_id', sa.Text(), nullable=False),
    sa.Column('attempt', sa.BigInteger(), nullable=False),
    sa.Column('link_id', sa.BigInteger(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('conversation_id', sa.BigInteger(), nullable=False),
    sa.Column('amount_cents', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('card_token', sa.Text(), nullable=True),
    sa.Column('failure_code', sa.Text(), nullable=True),
    sa.Column('begun_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('unsure_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(status = 'CHARGING') = (card_token IS NOT NULL)", name=op.f('ck_phone_payment_card_token')),
    sa.CheckConstraint("(status = 'FAILED') = (failure_code IS NOT NULL)", name=op.f('ck_phone_payment_failure_code')),
    sa.CheckConstraint("status IN ('ASKING', 'CHARGING', 'PAID', 'FAILED')", name=op.f('ck_phone_payment_status')),
    sa.CheckConstraint('amount_cents > 0', name=op.f('ck_phone_payment_amount')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_phone_payment_account_id')),
    sa.ForeignKeyConstraint(['conversation_id'], ['conversation.id'], name=op.f('fk_phone_payment_conversation_id')),
    sa.ForeignKeyConstraint(['link_id'], ['payment_link.id'], name=op.f('fk_phone_payment_link_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_phone_payment')),
    sa.UniqueConstraint('call_id', 'attempt', name=op.f('uq_phone_payment_call_id_attempt'))
    )
    op.create_index(op.f('ix_phone_payment_account_id_begun_at'), 'phone_payment', ['account_id', 'begun_at'], unique=False)
    op.create_index(op.f('ix_phone_payment_link_id'), 'phone_payment', ['link_id'], unique=False)
    # ### commands auto generated by Alembic - please adjust! ###
    op.create_table('credit',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('bill_id', sa.BigInteger(), nullable=True),
    sa.Column('amount_cents', sa.BigInteger(), nullable=False),
    sa.Column('reversed_cents', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('given_by', sa.Text(), nullable=False),
    sa.Column('given_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("(kind = 'BILL') = (bill_id IS NOT NULL)", name=op.f('ck_credit_bill')),
    sa.CheckConstraint("kind IN ('GOODWILL', 'OUTAGE', 'DEPOSIT', 'BILL', 'WRITE_OFF', 'BUDGET')", name=op.f('ck_credit_kind')),
    sa.CheckConstraint('amount_cents > 0', name=op.f('ck_credit_amount')),
    sa.CheckConstraint('reversed_cents BETWEEN 0 AND amount_cents', name=op.f('ck_credit_reversed')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_credit_account_id')),
    sa.ForeignKeyConstraint(['bill_id'], ['bill.id'], name=op.f('fk_credit_bill_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_credit')),
    sa.UniqueConstraint('key', name=op.f('uq_credit_key'))
    )
    op.create_index(op.f('ix_credit_account_id'), 'credit', ['account_id'], unique=False)
    op.create_index(op.f('ix_credit_bill_id'), 'credit', ['bill_id'], unique=False)
    # ### commands auto generated by Alembic - please adjust! ###
    op.create_table('deposit',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('charge_id', sa.BigInteger(), nullable=False),
    sa.Column('interest_cents', sa.BigInteger(), nullable=False),
    sa.Column('credit_id', sa.BigInteger(), nullable=True),
    sa.Column('charged_on', sa.Date(), nullable=False),
    sa.Column('returned_on', sa.Date(), nullable=True),
    sa.CheckConstraint('(credit_id IS NULL) = (returned_on IS NULL)', name=op.f('ck_deposit_returned')),
    sa.CheckConstraint('interest_cents >= 0', name=op.f('ck_deposit_interest')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_deposit_account_id')),
    sa.ForeignKeyConstraint(['charge_id'], ['charge.id'], name=op.f('fk_deposit_charge_id')),
    sa.ForeignKeyConstraint(['credit_id'], ['credit.id'], name=op.f('fk_deposit_credit_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_deposit')),
    sa.UniqueConstraint('charge_id', name=op.f('uq_deposit_charge_id')),
    sa.UniqueConstraint('credit_id', name=op.f('uq_deposit_credit_id')),
    sa.UniqueConstraint('key', name=op.f('uq_deposit_key'))
    )
    op.create_index(op.f('ix_deposit_account_id'), 'deposit', ['account_id'], unique=False)
    op.create_index('ix_deposit_held', 'deposit', ['id'], unique=False, postgresql_where=sa.text('returned_on IS NULL'))
    # ### commands auto generated by Alembic - please adjust! ###
    op.create_table('refund',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('payment_id', sa.BigInteger(), nullable=True),
    sa.Column('credit_id', sa.BigInteger(), nullable=True),
    sa.Column('amount_cents', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('requested_by', sa.Text(), nullable=False),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('decided_by', sa.Text(), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('gateway_refund_id', sa.Text(), nullable=True),
    sa.Column('failure_code', sa.Text(), nullable=True),
    sa.CheckConstraint("(status = 'REQUESTED') = (decided_by IS NULL)", name=op.f('ck_refund_decided')),
    sa.CheckConstraint("status IN ('REQUESTED', 'APPROVED', 'SENDING', 'REJECTED', 'DONE', 'FAILED')", name=op.f('ck_refund_status')),
    sa.CheckConstraint("status <> 'SENDING' OR sent_at IS NOT NULL", name=op.f('ck_refund_sent_at')),
    sa.CheckConstraint('(payment_id IS NULL) <> (credit_id IS NULL)', name=op.f('ck_refund_one_source')),
    sa.CheckConstraint('amount_cents > 0', name=op.f('ck_refund_amount')),
    sa.CheckConstraint("decided_by IS NULL OR NOT (string_to_array(regexp_replace(lower(decided_by), '^[^:]*:', ''), '/') && string_to_array(regexp_replace(lower(requested_by), '^[^:]*:', ''), '/'))", name=op.f('ck_refund_four_eyes')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_refund_account_id')),
    sa.ForeignKeyConstraint(['credit_id'], ['credit.id'], name=op.f('fk_refund_credit_id')),
    sa.ForeignKeyConstraint(['payment_id'], ['payment.id'], name=op.f('fk_refund_payment_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_refund')),
    sa.UniqueConstraint('key', name=op.f('uq_refund_key'))
    )
    op.create_index(op.f('ix_refund_account_id'), 'refund', ['account_id'], unique=False)
    op.create_index(op.f('ix_refund_credit_id'), 'refund', ['credit_id'], unique=False)
    op.create_index(op.f('ix_refund_payment_id'), 'refund', ['payment_id'], unique=False)
    op.create_index('ix_refund_waiting', 'refund', ['id'], unique=False, postgresql_where=sa.text("status = 'REQUESTED'"))
    op.create_table('budget_plan',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('agreement_id', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('basis', sa.Text(), nullable=False),
    sa.Column('year_cents', sa.BigInteger(), nullable=False),
    sa.Column('starts_on', sa.Date(), nullable=False),
    sa.Column('ends_on', sa.Date(), nullable=False),
    sa.Column('next_review_on', sa.Date(), nullable=False),
    sa.Column('catch_up_cents', sa.BigInteger(), nullable=False),
    sa.Column('catch_up_months', sa.BigInteger(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('end_reason', sa.Text(), nullable=True),
    sa.CheckConstraint("(status = 'ENDED') = (ended_at IS NOT NULL AND end_reason IS NOT NULL)", name=op.f('ck_budget_plan_ended')),
    sa.CheckConstraint("basis IN ('HISTORY', 'STATED')", name=op.f('ck_budget_plan_basis')),
    sa.CheckConstraint("end_reason IN ('LEFT', 'MOVED', 'MISSED')", name=op.f('ck_budget_plan_end_reason')),
    sa.CheckConstraint("status IN ('ACTIVE', 'ENDED')", name=op.f('ck_budget_plan_status')),
    sa.CheckConstraint('catch_up_months >= 0 AND (catch_up_months > 0 OR catch_up_cents = 0)', name=op.f('ck_budget_plan_catch_up')),
    sa.CheckConstraint('ends_on > starts_on AND next_review_on <= ends_on', name=op.f('ck_budget_plan_dates')),
    sa.CheckConstraint('year_cents > 0', name=op.f('ck_budget_plan_year')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_budget_plan_account_id')),
    sa.ForeignKeyConstraint(['agreement_id'], ['service_agreement.id'], name=op.f('fk_budget_plan_agreement_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_budget_plan')),
    sa.UniqueConstraint('key', name=op.f('uq_budget_plan_key'))
    )
    op.create_index(op.f('ix_budget_plan_account_id'), 'budget_plan', ['account_id'], unique=False)
    op.create_index(op.f('ix_budget_plan_agreement_id'), 'budget_plan', ['agreement_id'], unique=False)
    op.create_index('uq_budget_plan_one', 'budget_plan', ['agreement_id'], unique=True, postgresql_where=sa.text("status = 'ACTIVE'"))
    op.create_index('ix_budget_plan_review', 'budget_plan', ['next_review_on'], unique=False, postgresql_where=sa.text("status = 'ACTIVE'"))
    op.create_table('budget_level',
    sa.Column('plan_id', sa.BigInteger(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('from_on', sa.Date(), nullable=False),
    sa.Column('level_cents', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('set_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("reason IN ('ENROLLED', 'REVIEW', 'ANNIVERSARY')", name=op.f('ck_budget_level_reason')),
    sa.CheckConstraint('level_cents > 0', name=op.f('ck_budget_level_level')),
    sa.ForeignKeyConstraint(['plan_id'], ['budget_plan.id'], name=op.f('fk_budget_level_plan_id')),
    sa.PrimaryKeyConstraint('plan_id', 'position', name=op.f('pk_budget_level'))
    )
    op.create_table('budget_month',
    sa.Column('bill_id', sa.BigInteger(), nullable=False),
    sa.Column('plan_id', sa.BigInteger(), nullable=False),
    sa.Column('actual_cents', sa.BigInteger(), nullable=False),
    sa.Column('due_cents', sa.BigInteger(), nullable=False),
    sa.Column('catch_up_cents', sa.BigInteger(), nullable=False),
    sa.Column('charge_id', sa.BigInteger(), nullable=True),
    sa.Column('credit_id', sa.BigInteger(), nullable=True),
    sa.Column('undone_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('(due_cents < actual_cents) = (credit_id IS NOT NULL)', name=op.f('ck_budget_month_credit')),
    sa.CheckConstraint('(due_cents > actual_cents) = (charge_id IS NOT NULL)', name=op.f('ck_budget_month_charge')),
    sa.CheckConstraint('due_cents >= 0', name=op.f('ck_budget_month_due')),
    sa.ForeignKeyConstraint(['bill_id'], ['bill.id'], name=op.f('fk_budget_month_bill_id')),
    sa.ForeignKeyConstraint(['charge_id'], ['charge.id'], name=op.f('fk_budget_month_charge_id')),
    sa.ForeignKeyConstraint(['credit_id'], ['credit.id'], name=op.f('fk_budget_month_credit_id')),
    sa.ForeignKeyConstraint(['plan_id'], ['budget_plan.id'], name=op.f('fk_budget_month_plan_id')),
    sa.PrimaryKeyConstraint('bill_id', name=op.f('pk_budget_month')),
    sa.UniqueConstraint('charge_id', name=op.f('uq_budget_month_charge_id')),
    sa.UniqueConstraint('credit_id', name=op.f('uq_budget_month_credit_id'))
    )
    op.create_index(op.f('ix_budget_month_plan_id'), 'budget_month', ['plan_id'], unique=False)
    op.create_table('budget_settlement',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('plan_id', sa.BigInteger(), nullable=False),
    sa.Column('settled_on', sa.Date(), nullable=False),
    sa.Column('cents', sa.BigInteger(), nullable=False),
    sa.Column('charge_id', sa.BigInteger(), nullable=True),
    sa.Column('credit_id', sa.BigInteger(), nullable=True),
    sa.CheckConstraint('(cents > 0) = (charge_id IS NOT NULL) AND (cents < 0) = (credit_id IS NOT NULL)', name=op.f('ck_budget_settlement_how')),
    sa.CheckConstraint('cents <> 0', name=op.f('ck_budget_settlement_cents')),
    sa.ForeignKeyConstraint(['charge_id'], ['charge.id'], name=op.f('fk_budget_settlement_charge_id')),
    sa.ForeignKeyConstraint(['credit_id'], ['credit.id'], name=op.f('fk_budget_settlement_credit_id')),
    sa.ForeignKeyConstraint(['plan_id'], ['budget_plan.id'], name=op.f('fk_budget_settlement_plan_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_budget_settlement')),
    sa.UniqueConstraint('charge_id', name=op.f('uq_budget_settlement_charge_id')),
    sa.UniqueConstraint('credit_id', name=op.f('uq_budget_settlement_credit_id'))
    )
    op.create_index(op.f('ix_budget_settlement_plan_id'), 'budget_settlement', ['plan_id'], unique=False)
    op.create_table('allocation',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('payment_id', sa.BigInteger(), nullable=True),
    sa.Column('credit_id', sa.BigInteger(), nullable=True),
    sa.Column('bill_id', sa.BigInteger(), nullable=True),
    sa.Column('charge_id', sa.BigInteger(), nullable=True),
    sa.Column('amount_cents', sa.BigInteger(), nullable=False),
    sa.Column('allocated_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('(bill_id IS NULL) <> (charge_id IS NULL)', name=op.f('ck_allocation_one_item')),
    sa.CheckConstraint('(payment_id IS NULL) <> (credit_id IS NULL)', name=op.f('ck_allocation_one_source')),
    sa.CheckConstraint('amount_cents > 0', name=op.f('ck_allocation_amount')),
    sa.ForeignKeyConstraint(['bill_id'], ['bill.id'], name=op.f('fk_allocation_bill_id')),
    sa.ForeignKeyConstraint(['charge_id'], ['charge.id'], name=op.f('fk_allocation_charge_id')),
    sa.ForeignKeyConstraint(['credit_id'], ['credit.id'], name=op.f('fk_allocation_credit_id')),
    sa.ForeignKeyConstraint(['payment_id'], ['payment.id'], name=op.f('fk_allocation_payment_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_allocation'))
    )
    op.create_index(op.f('ix_allocation_bill_id'), 'allocation', ['bill_id'], unique=False)
    op.create_index(op.f('ix_allocation_charge_id'), 'allocation', ['charge_id'], unique=False)
    op.create_index(op.f('ix_allocation_credit_id'), 'allocation', ['credit_id'], unique=False)
    op.create_index(op.f('ix_allocation_payment_id'), 'allocation', ['payment_id'], unique=False)
    op.create_table('letter_batch',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('letters', sa.BigInteger(), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('delivered_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('letters > 0', name=op.f('ck_letter_batch_letters')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_letter_batch')),
    sa.UniqueConstraint('day', name=op.f('uq_letter_batch_day'))
    )
    op.create_table('medical_hold',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('starts_on', sa.Date(), nullable=False),
    sa.Column('until', sa.Date(), nullable=False),
    sa.Column('renewal', sa.BigInteger(), nullable=False),
    sa.Column('certified_by', sa.Text(), nullable=True),
    sa.Column('decision_id', sa.BigInteger(), nullable=False),
    sa.Column('recorded_by', sa.Text(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('reminded_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_on', sa.Date(), nullable=True),
    sa.Column('ended_by', sa.Text(), nullable=True),
    sa.Column('ended_why', sa.Text(), nullable=True),
    sa.CheckConstraint("(kind = 'CERTIFICATE') = (certified_by IS NOT NULL)", name=op.f('ck_medical_hold_certified_by')),
    sa.CheckConstraint("kind IN ('WORD', 'CERTIFICATE')", name=op.f('ck_medical_hold_kind')),
    sa.CheckConstraint('(ended_on IS NULL) = (ended_by IS NULL) AND (ended_on IS NULL) = (ended_why IS NULL)', name=op.f('ck_medical_hold_ended')),
    sa.CheckConstraint('renewal >= 0', name=op.f('ck_medical_hold_renewal')),
    sa.CheckConstraint('until > starts_on', name=op.f('ck_medical_hold_until')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_medical_hold_account_id')),
    sa.ForeignKeyConstraint(['decision_id'], ['compliance_decision.id'], name=op.f('fk_medical_hold_decision_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_medical_hold'))
    )
    op.create_index(op.f('ix_medical_hold_account_id_until'), 'medical_hold', ['account_id', 'until'], unique=False)
    op.create_index('ix_medical_hold_unreminded', 'medical_hold', ['until'], unique=False, postgresql_where=sa.text('ended_on IS NULL AND reminded_at IS NULL'))
    op.create_table('bill_letter',
    sa.Column('bill_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('account_id', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('batch_id', sa.BigInteger(), nullable=True),
    sa.Column('document_id', sa.BigInteger(), nullable=True),
    sa.Column('owed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('returned_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('returned_why', sa.Text(), nullable=True),
    sa.CheckConstraint("(status = 'RETURNED') = (returned_at IS NOT NULL)", name=op.f('ck_bill_letter_returned')),
    sa.CheckConstraint("(status IN ('BATCHED', 'SENT', 'RETURNED')) = (batch_id IS NOT NULL)", name=op.f('ck_bill_letter_batch')),
    sa.CheckConstraint("status IN ('OWED', 'BATCHED', 'SENT', 'RETURNED', 'DROPPED')", name=op.f('ck_bill_letter_status')),
    sa.CheckConstraint("status NOT IN ('SENT', 'RETURNED') OR document_id IS NOT NULL", name=op.f('ck_bill_letter_document')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_bill_letter_account_id')),
    sa.ForeignKeyConstraint(['batch_id'], ['letter_batch.id'], name=op.f('fk_bill_letter_batch_id')),
    sa.ForeignKeyConstraint(['bill_id'], ['bill.id'], name=op.f('fk_bill_letter_bill_id')),
    sa.ForeignKeyConstraint(['document_id'], ['bill_document.id'], name=op.f('fk_bill_letter_document_id')),
    sa.PrimaryKeyConstraint('bill_id', name=op.f('pk_bill_letter'))
    )
    op.create_index(op.f('ix_bill_letter_account_id'), 'bill_letter', ['account_id'], unique=False)
    op.create_index(op.f('ix_bill_letter_batch_id'), 'bill_letter', ['batch_id'], unique=False)
    op.create_index('ix_bill_letter_owed', 'bill_letter', ['owed_at'], unique=False, postgresql_where=sa.text("status = 'OWED'"))
    op.create_table('credit_note',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('number', sa.Text(), nullable=False),
    sa.Column('bill_id', sa.BigInteger(), nullable=False),
    sa.Column('issued_on', sa.Date(), nullable=False),
    sa.Column('cause', sa.Text(), nullable=False),
    sa.Column('dispute_id', sa.BigInteger(), nullable=True),
    sa.Column('issued_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("(cause = 'DISPUTE') = (dispute_id IS NOT NULL)", name=op.f('ck_credit_note_dispute')),
    sa.CheckConstraint("CAST(split_part(number, '-', 2) AS bigint) = id", name=op.f('ck_credit_note_number')),
    sa.CheckConstraint("cause IN ('ESTIMATE', 'DATA', 'DISPUTE', 'REBILL', 'BEFORE', 'WITHDRAWN')", name=op.f('ck_credit_note_cause')),
    sa.ForeignKeyConstraint(['bill_id'], ['bill.id'], name=op.f('fk_credit_note_bill_id')),
    sa.ForeignKeyConstraint(['dispute_id'], ['dispute.id'], name=op.f('fk_credit_note_dispute_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_credit_note')),
    sa.UniqueConstraint('bill_id', name=op.f('uq_credit_note_bill_id'))
    )
    op.create_table('job',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('began_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_job'))
    )
    for statements in (*metering_ddl.AFTER_CREATE.values(), *ddl.AFTER_CREATE.values(), ddl.INDEX_PRICE,
                       ddl.CREDIT_NOTE):
        op.execute(statements)


def downgrade() -> None:
    raise NotImplementedError("there is nothing before the first tables")
