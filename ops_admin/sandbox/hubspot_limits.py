"""HubSpot's quotas, really counted: requests in the last ten seconds, today, and searches in the last second."""

import threading
import time
import uuid
from collections import deque

from flask import Response, jsonify

from ops_admin.sandbox.switches import Switches

_SEARCHES_PER_SECOND = 5


class Limits:
    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._lock = threading.Lock()
        self._recent: deque[float] = deque()
        self._searches: deque[float] = deque()
        self._day = ""
        self._today = 0

    def clear(self) -> None:
        with self._lock:
            self._recent.clear()
            self._searches.clear()
            self._today = 0

    def refuse(self, search: bool) -> Response | None:
        """This will count one request, and give the 429 when it is one too many."""
        switch = self._switches.of("hubspot")
        now = time.monotonic()
        with self._lock:
            day = time.strftime("%Y-%m-%d")
            if day != self._day:
                self._day, self._today = day, 0
            _forget(self._recent, now - 10)
            _forget(self._searches, now - 1)
            if switch["rate_limited"] or len(self._recent) >= switch["limit_per_10s"]:
                return _refusal("ten_secondly_rolling", "TEN_SECONDLY_ROLLING")
            if self._today >= switch["daily_limit"]:
                return _refusal("daily", "DAILY")
            if search and len(self._searches) >= _SEARCHES_PER_SECOND:
                return _refusal("secondly", "SECONDLY")
            self._recent.append(now)
            self._today += 1
            if search:
                self._searches.append(now)
        return None

    def headers(self, search: bool) -> dict[str, str]:
        """This will give the headers that tell what is left; answers to searches carry none."""
        if search:
            return {}
        switch = self._switches.of("hubspot")
        return {
            "X-HubSpot-RateLimit-Max": str(switch["limit_per_10s"]),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            "X-HubSpot-RateLimit-Remaining": str(max(0, switch["limit_per_10s"] - len(self._recent))),
            "X-HubSpot-RateLimit-Daily": str(switch["daily_limit"]),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, switch["daily_limit"] - self._today)),
        }


def _forget(line: deque[float], before: float) -> None:
    while line and line[0] <= before:
        line.popleft()


def _refusal(name: str, policy: str) -> Response:
    answer = jsonify(
        status="error",
        message=f"You have reached your {name} limit.",
        errorType="RATE_LIMIT",
        correlationId=str(uuid.uuid4()),
        policyName=policy,
        requestId=str(uuid.uuid4()),
    )
    answer.status_code = 429
    return answer
