"""How fast one visitor may write: a token bucket in Redis. When Redis is away, everybody may."""

from typing import Any

import redis

from core import log

logger = log.get(__name__)

_BUCKET = """
local now = redis.call('TIME')
local at = now[1] + now[2] / 1000000
local held = redis.call('HMGET', KEYS[1], 'left', 'at')
local most, rate = tonumber(ARGV[1]), tonumber(ARGV[2])
local left = tonumber(held[1]) or most
left = math.min(most, left + math.max(0, at - (tonumber(held[2]) or at)) * rate)
local allowed = left >= 1
if allowed then left = left - 1 end
redis.call('HSET', KEYS[1], 'left', tostring(left), 'at', tostring(at))
redis.call('EXPIRE', KEYS[1], math.ceil(most / rate) + 1)
if allowed then return 0 end
return math.ceil((1 - left) / rate)
"""


class TokenBucket:
    """`most` at once, then `per_second`."""

    def __init__(self, client: Any, name: str, *, most: int, per_second: float) -> None:
        self._client = client
        self._name = name
        self._most = most
        self._per_second = per_second

    def wait(self, who: str) -> int:
        """This will take one token: 0 when there was one, else the seconds until there is."""
        try:
            return int(
                self._client.eval(_BUCKET, 1, f"limit:{self._name}:{who}", str(self._most), str(self._per_second))
            )
        except redis.RedisError as exc:
            logger.warning("limit_open", extra={"limit": self._name, "reason": type(exc).__name__})
            return 0
