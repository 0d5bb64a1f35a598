"""Logs as JSON lines: a static event name and ids, never names, addresses or message text."""

import json
import logging
import sys
from typing import Any

_RESERVED = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update({k: v for k, v in record.__dict__.items() if k not in _RESERVED})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up(level: str = "INFO") -> None:
    """This will send every log record to standard error as one JSON line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("urllib3", "celery", "kombu", "sanic", "rasa_sdk", "sqlalchemy", "stripe", "twilio"):
        logging.getLogger(name).setLevel(logging.WARNING)  # they log arguments, and arguments may be personal


def get(name: str) -> logging.Logger:
    """This will give the logger of a module; pass ids with ``extra={...}``."""
    return logging.getLogger(name)
