"""Every table the hub has, imported in one place, so that migrations and tests see all of them."""

import importlib

PACKAGES = (
    "core.audit",
    "core.outbox",
    "core.accounts.models",
    "core.conversations.models",
    "core.fieldwork.models",
    "core.outages.models",
    "core.programs.models",
    "core.compliance.models",
    "metering.models",
    "billing.models",
    "billing.cash_models",
    "billing.correction_models",
    "billing.alert_models",
    "billing.letter_models",
    "billing.medical_models",
    "billing.budget_models",
    "billing.price_models",
    "billing.credit_note_models",
    "crm_sync.models",
    "ops_admin.clock",
)

for _package in PACKAGES:
    importlib.import_module(_package)
