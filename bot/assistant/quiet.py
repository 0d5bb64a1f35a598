"""Rasa's loggers print every rule they look at unless somebody tells them not to."""

from __future__ import annotations

import logging
import os
import warnings


def hush() -> None:
    """This will let only warnings through and switch telemetry off; call it before Rasa is imported."""
    os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    warnings.filterwarnings("ignore")
    logging.basicConfig(level=logging.WARNING)
    import skops.io  # noqa: F401 - before TensorFlow: see serve.py
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
