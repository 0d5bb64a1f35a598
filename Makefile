# Everything a newcomer needs. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
HOME_DIR := $(or $(WATTLINE_HOME),.wattline)
UV := $(CURDIR)/.wattline/tools/bin/uv
PY := .venv/bin/python
BOT := bot/assistant
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1

help: ## List what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}'

$(UV):
	@echo "· installing uv"
	@python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target .wattline/tools 'uv>=0.9,<1'

.venv/.ready: pyproject.toml uv.lock | $(UV)
	@echo "· the hub's environment (Python 3.11 or newer)"
	@$(UV) sync --frozen --quiet && touch $@

$(BOT)/.venv/.ready: $(BOT)/pyproject.toml $(BOT)/uv.lock | $(UV)
	@echo "· the assistant's environment (Python 3.10; about 2 GB)"
	@cd $(BOT) && $(UV) sync --frozen --quiet && touch .venv/.ready

setup: ## Install both environments (safe to repeat)
	@$(MAKE) --no-print-directory -j2 .venv/.ready $(BOT)/.venv/.ready

demo: setup ## Run the whole hub here with a believable utility and vendor twins
	@exec .venv/bin/wattline demo

browser: ## Make sure there is a Chromium for the browser tests
	@tools/chromium.sh

test: setup browser ## Everything CI runs: style, types, import rules, all tests
	@$(MAKE) --no-print-directory lint
	@$(PY) -m pytest tests/unit tests/architecture tests/contracts tests/integration tests/scenarios
	@$(MAKE) --no-print-directory bot-test
	@cd $(BOT) && .venv/bin/python -m pytest -q tests
	@$(PY) -m pytest tests/stack tests/browser

lint: setup ## ruff, mypy --strict, import rules
	@.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy && .venv/bin/lint-imports

bot-test: setup ## Score the assistant on its held-out sets, English and Spanish apart
	@cd $(BOT) && .venv/bin/python train.py && .venv/bin/python evaluate.py

tour: setup ## Play the customer stories over all doors, headless, and check every figure spoken
	@$(PY) -m tests.tour

bench-chat: setup ## Throughput and latency of the doors beside the bare assistant (locust)
	@$(PY) -m tests.load.bench_chat

bench-pdf: setup ## Bills drawn per second on one core, beside a bare reportlab page
	@$(PY) -m tests.load.bench_pdf

bench-alerts: .venv/.ready ## Recall, precision and false alarms of unusual use, on reads with faults put in, and its speed
	@$(PY) -m tests.load.bench_alerts

bench-rate: setup ## Thousands of random tariffs against NREL's rate engine, month by month (RATING_CASES, RATING_SEED)
	@RATING_CASES=$${RATING_CASES:-3000} $(PY) -m pytest -q tests/unit/rating/test_sam.py

N ?= 1000000
INTERVAL ?= 60
bench-bill: .venv/.ready ## From reads to bills, lines and ledger in PostgreSQL (N= agreements, INTERVAL= 15 or 60)
	@$(PY) -m tests.load.bench_bill --agreements $(N) --interval $(INTERVAL)

MONTHS ?= 13
bench-metering: N = 100000
bench-metering: INTERVAL = 60
bench-metering: .venv/.ready ## Reads ingested beside a bare COPY, and one customer's last day (N= meters, MONTHS= stored before, INTERVAL=)
	@$(PY) -m tests.load.bench_metering --meters $(N) --months $(MONTHS) --interval $(INTERVAL)

reset: ## Forget the demonstration's data
	@.venv/bin/wattline reset

.PHONY: help setup demo browser test lint bot-test tour bench-chat bench-bill bench-metering bench-pdf bench-alerts bench-rate reset
