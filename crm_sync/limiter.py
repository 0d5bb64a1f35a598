"""One allowance for all workers: the CRM counts requests in a rolling ten seconds, and so do we, in Redis."""

from collections.abc import Callable

import redis

from core import errors, log

logger = log.get(__name__)

_WINDOW_MS = 10_000
_SCRIPT = """
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, ms - tonumber(ARGV[1]))
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('ZADD', KEYS[1], ms, ms .. ':' .. redis.call('INCR', KEYS[1] .. ':n'))
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  return 0
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return oldest[2] + ARGV[1] - ms
"""


def limiter(client: redis.Redis, *, name: str, per_10s: int) -> Callable[[], None]:
    """This will give a call that takes one place in the window, or asks to come again Later.

    Without Redis it lets the call through: the vendor's own 429 is the second line.
    """
    script = client.register_script(_SCRIPT)

    def take() -> None:
        try:
            wait_ms = float(script(keys=[f"limit:{name}"], args=[_WINDOW_MS, per_10s]))
        except redis.RedisError:
            logger.warning("limiter_without_redis", extra={"limiter": name})
            return
        if wait_ms > 0:
            raise errors.Later(max(wait_ms / 1000, 0.2))  # our own count, not a failure: no try is used up

    return take
