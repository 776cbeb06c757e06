"""Keyed entries in Redis, for several machines that share one memory; needs the extra ``mailfilter[redis]``.

Every decision is one script, so it is atomic and costs one round trip; long batches are several scripts in one
pipeline.  Entries expire by the server's own clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha1
from typing import Any
from urllib.parse import urlsplit

from ..errors import MissingExtraError, StoreError
from .keyed import BUCKETS, DAY, HOUR, RENEWALS, Attempt, Counter, Seen, Sighting, Tally, Timing

SCHEMES = ("redis", "rediss", "unix")
_PREFIX = b"mailfilter:"
_DIGITS = bytes(range(48, 52)) + bytes(range(4, 256))
"""Roles as the script reads them: 0 to 3 become digits."""
_PIECE = 256
"""Most decisions in one script: others wait for a script to end."""

_ATTEMPT = """
local now, wait, window, lifetime = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local function put(key, value, seconds)
  redis.call('SET', key, value, 'PX', math.max(1, math.ceil(seconds * 1000)))
end
local at, answers = 0, {}
for roles in string.gmatch(ARGV[5], '%d+') do
  local n, passed, first = #roles, false, nil
  local values, times, role = redis.call('MGET', unpack(KEYS, at + 1, at + n)), {}, {}
  for i = 1, n do
    local value = values[i]
    role[i] = string.byte(roles, i) - 48
    if value then
      times[i] = tonumber(string.sub(value, 2))
      if string.byte(value) == 107 then passed = true
      elseif role[i] >= 2 then
        local since = math.min(times[i], now)
        first = first and math.min(first, since) or since
      end
    end
  end
  local since = first or now
  local left = passed and 0 or math.ceil(math.max(since + wait - now, 0))
  for i = 1, n do
    local key, value = KEYS[at + i], values[i]
    if left == 0 then
      local known = value and string.byte(value) == 107
      local age = known and now - times[i]
      if role[i] % 2 == 1 and not (known and age >= 0 and age < lifetime / RENEWALS) then
        put(key, string.format('k%.3f', now), lifetime)
      end
    elseif role[i] >= 2 and (not value or times[i] > now) then
      put(key, string.format('w%.3f', since), since + window - now)
    end
  end
  answers[#answers + 1] = left
  at = at + n
end
return answers
""".replace("RENEWALS", str(RENEWALS))
"""`keyed.settle` for several attempts; the last argument holds their roles, a word of digits each."""

_TALLY = """
local now, at, answers, arg = tonumber(ARGV[1]), 0, {}, 2
local function parts(value, seconds)
  local bucket, part = math.floor(now * BUCKETS / seconds), {}
  for i = 1, BUCKETS + 1 do part[i] = 0 end
  if not value then return bucket, part end
  local found = {}
  for number in string.gmatch(value, '%d+') do found[#found + 1] = tonumber(number) end
  local later = bucket - found[1]
  if math.abs(later) > BUCKETS then return bucket, part end
  if later < 0 then bucket, later = found[1], 0 end
  for i = later + 1, BUCKETS + 1 do part[i] = found[i + 1 - later] end
  return bucket, part
end
while arg <= #ARGV do
  local counters, totals, passed = {}, {}, false
  local n = tonumber(ARGV[arg])
  arg = arg + 1
  for i = 1, n do
    local c = cjson.decode(ARGV[arg])
    arg, at = arg + 1, at + 1
    c.key = KEYS[at]
    c.bucket, c.part = parts(redis.call('GET', c.key), c.seconds)
    for _ = 1, c.fresh do
      at = at + 1
      if redis.call('EXISTS', KEYS[at]) == 0 then c.add = c.add + 1 end
    end
    totals[i] = c.add
    for _, number in ipairs(c.part) do totals[i] = totals[i] + number end
    counters[i] = c
  end
  for i, c in ipairs(counters) do
    if c.binding and totals[i] > c.number and (c.of < 0 or totals[i] > c.share * totals[c.of + 1]) then
      passed = true
    end
  end
  for i, c in ipairs(counters) do
    if not passed and c.add > 0 then
      c.part[1] = c.part[1] + c.add
      local value = 'c' .. string.format('%.0f', c.bucket) .. ' ' .. table.concat(c.part, ' ')
      redis.call('SET', c.key, value, 'PX', math.ceil(c.seconds * 1000 * (BUCKETS + 2) / BUCKETS))
    end
  end
  answers[#answers + 1] = totals
end
return answers
""".replace("BUCKETS", str(BUCKETS))

_SIGHT = """
local now, key, answers = math.floor(tonumber(ARGV[1])), 1, {}
for arg = 2, #ARGV, 3 do
  local lifetime, number, beside = tonumber(ARGV[arg]), tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
  local values = redis.call('MGET', unpack(KEYS, key, key + beside))
  local f = {now, now, 0, 0, math.floor(now / HOUR), 0, 0}
  if values[1] then
    f = {}
    for word in string.gmatch(string.sub(values[1], 2), '%S+') do f[#f + 1] = tonumber(word) end
  end
  local first, last = math.min(f[1], now), f[2]
  local new = math.max(last, now)
  local hour, days = math.floor(new / HOUR), f[3]
  if not values[1] or math.floor(new / DAY) > math.floor(last / DAY) then days = days + 1 end
  local recent, earlier = f[6], f[7]
  if hour > f[5] then
    earlier = hour == f[5] + 1 and recent or 0
    recent = 0
  end
  recent = recent + number
  local entry = string.format('s%.0f %.0f %.0f %.0f %.0f %.0f %.0f', first, new, days, f[4] + 1, hour, recent, earlier)
  redis.call('SET', KEYS[key], entry, 'PX', lifetime * 1000)
  local answer = {first, last, days, f[4] + 1, recent + earlier}
  for i = 1, beside do answer[5 + i] = values[1 + i] end
  answers[#answers + 1] = answer
  key = key + 1 + beside
end
return answers
""".replace("HOUR", str(HOUR)).replace("DAY", str(DAY))
"""`keyed.sight` for several sightings; what is wanted beside one stands behind its key."""


class RedisStore:
    """A `KeyedStore` in a Redis server (7 or later, or one that speaks its language).

    ``url``  ``redis://host:port/db``, ``rediss://`` for TLS, ``unix:///path?db=0``; a password may stand in it and is
    never shown.  ``timeout``  seconds that the server gets, to connect and for each answer.  Nothing is connected
    before it is needed.  Raises `MissingExtraError` without the package, `StoreError` for a URL that cannot be read.
    """

    def __init__(self, url: str, *, timeout: float = 0.5) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError:
            raise MissingExtraError("a store in Redis", "redis") from None
        self._name = shown(url)
        self._errors: tuple[type[Exception], ...] = (redis.RedisError, OSError, ValueError)
        self._unloaded: type[Exception] = redis.exceptions.NoScriptError
        # A connection that the server closed, as in a restart, is opened again at once; one that is slow is not.
        again = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
        try:
            self._redis: Any = redis.Redis.from_url(
                url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=again, client_name="mailfilter"
            )
        except (ValueError, TypeError) as error:
            raise StoreError(f"store {self._name}: {error}") from None
        self._digests = {script: sha1(script.encode()).hexdigest() for script in (_ATTEMPT, _TALLY, _SIGHT)}

    def attempt(self, attempts: Sequence[Attempt], timing: Timing, now: float) -> list[int]:
        """See `KeyedStore.attempt`."""
        calls = []
        for start in range(0, len(attempts), _PIECE):
            some = attempts[start : start + _PIECE]
            keys = [_PREFIX + key for one in some for key in one.keys]
            roles = b" ".join([one.roles for one in some]).translate(_DIGITS)
            calls.append((keys, [repr(now), *map(repr, timing), roles]))
        return [int(left) for answer in self._run(_ATTEMPT, calls) for left in answer]

    def tally(self, tallies: Sequence[Tally], now: float) -> list[tuple[int, ...]]:
        """See `KeyedStore.tally`."""
        calls = []
        for start in range(0, len(tallies), _PIECE):
            keys: list[bytes] = []
            facts: list[str] = []
            for counters, *_ in tallies[start : start + _PIECE]:
                facts.append(str(len(counters)))
                for counter in counters:
                    keys.extend(_PREFIX + key for key in (counter.key, *counter.fresh))
                    facts.append(_facts(counter))
            calls.append((keys, [repr(now), *facts]))
        return [tuple(map(int, totals)) for answer in self._run(_TALLY, calls) for totals in answer]

    def sight(self, sightings: Sequence[Sighting], now: float) -> list[Seen]:
        """See `KeyedStore.sight`."""
        calls = []
        for start in range(0, len(sightings), _PIECE):
            some = sightings[start : start + _PIECE]
            keys = [_PREFIX + key for one in some for key in (one.key, *one.beside)]
            calls.append((keys, [repr(now), *(n for one in some for n in (one.lifetime, one.number, len(one.beside)))]))
        found = [each for answer in self._run(_SIGHT, calls) for each in answer]
        return [Seen._make([*each[:5], tuple(each[5:])]) for each in found]

    def get(self, keys: Sequence[bytes], now: float) -> list[bytes | None]:
        """See `KeyedStore.get`."""
        if not keys:
            return []
        with self._reported():
            return list(self._redis.mget([_PREFIX + key for key in keys]))

    def put(self, entries: Mapping[bytes, bytes], seconds: float, now: float) -> None:
        """See `KeyedStore.put`."""
        with self._reported():
            pipeline = self._redis.pipeline(transaction=False)
            for key, value in entries.items():
                pipeline.set(_PREFIX + key, value, px=max(1, int(seconds * 1000)))
            pipeline.execute()

    def close(self) -> None:
        """Close all connections."""
        self._redis.close()

    def _run(self, script: str, calls: Sequence[tuple[list[bytes], list[Any]]]) -> list[Any]:
        """Answers of a script to several calls, in one round trip; two where the server has not seen it before."""
        if not calls:
            return []
        with self._reported():
            try:
                return self._piped(self._digests[script], calls)
            except self._unloaded:
                self._redis.script_load(script)
                return self._piped(self._digests[script], calls)

    def _piped(self, digest: str, calls: Sequence[tuple[list[bytes], list[Any]]]) -> list[Any]:
        if len(calls) == 1:
            keys, facts = calls[0]
            return [self._redis.evalsha(digest, len(keys), *keys, *facts)]
        pipeline = self._redis.pipeline(transaction=False)
        for keys, facts in calls:
            pipeline.evalsha(digest, len(keys), *keys, *facts)
        return list(pipeline.execute())

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise StoreError(f"store {self._name}: {error or type(error).__name__}") from None


def shown(url: str) -> str:
    """A URL as it may be shown: without user and password."""
    try:
        parts = urlsplit(url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
    except ValueError:
        return "redis"


def _facts(counter: Counter) -> str:
    facts = counter._replace(fresh=())._asdict()
    del facts["key"]
    return json.dumps({**facts, "fresh": len(counter.fresh)})
