"""Run with the assistant's own environment: `.venv/bin/python -m pytest tests` in bot/assistant."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE))

import quiet  # noqa: E402

quiet.hush()
