"""One allowance for all workers: the CRM counts requests in a rolling ten seconds, and so do we, in Redis.

What a person waits for has all of it, and comes again as soon as a place is free. What nobody waits for has most of
it, and stands in a line: a hundred thousand segments owed after a day without the CRM come back one after another,
instead of all of them every ten seconds.
"""

import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis

from core import errors, log

logger = log.get(__name__)

_WINDOW_MS = 10_000
_UNHURRIED_SHARE = 0.8
_CALLS = 2  # of one that comes back from the line, as a rule
_SCRIPT = """
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local window, limit, apart = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, ms - window)
if redis.call('ZCARD', KEYS[1]) < limit then
  redis.call('ZADD', KEYS[1], ms, ms .. ':' .. redis.call('INCR', KEYS[1] .. ':n'))
  redis.call('PEXPIRE', KEYS[1], window)
  return 0
end
local free = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] + window
if apart == 0 then
  return free - ms
end
local place = math.max(free, tonumber(redis.call('GET', KEYS[2]) or 0)) + apart
redis.call('SET', KEYS[2], place, 'PX', place - ms)
return place - ms
"""
_hurried: contextvars.ContextVar[bool] = contextvars.ContextVar("hurried", default=True)


@contextmanager
def unhurried() -> Iterator[None]:
    """What is taken in this block nobody waits for."""
    token = _hurried.set(False)
    try:
        yield
    finally:
        _hurried.reset(token)


def limiter(client: redis.Redis, *, name: str, per_10s: int) -> Callable[[], None]:
    """This will give a call that takes one place in the window, or asks to come again Later.

    Without Redis it lets the call through: the vendor's own 429 is the second line.
    """
    script = client.register_script(_SCRIPT)
    keys = [f"limit:{name}", f"limit:{name}:line"]
    few = max(int(per_10s * _UNHURRIED_SHARE), 1)
    apart = _WINDOW_MS * _CALLS // few

    def take() -> None:
        allowance = (per_10s, 0) if _hurried.get() else (few, apart)
        try:
            wait_ms = float(script(keys=keys, args=[_WINDOW_MS, *allowance]))
        except redis.RedisError:
            logger.warning("limiter_without_redis", extra={"limiter": name})
            return
        if wait_ms > 0:
            raise errors.Later(max(wait_ms / 1000, 0.2))  # our own count, not a failure: no try is used up

    return take
