"""Windows in Redis, for all processes: exact, by its clock, and all of a request in one call."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from bff.edge.limits.policies import Decision, Standing, Window
from domain.database import UNKNOWN, Fence, Fences, fence_key
from domain.redis import Nodes, Script

_MICROSECONDS: Final = 1_000_000

# A window is a string of moments, microseconds in eight bytes each, the oldest first: of a hundred
# requests 800 bytes, where a sorted set takes twice that. Clocks may go back, or be another node's:
# a moment is later than those before it; one that lies further ahead than a window is nobody's.
_MOMENTS: Final = """
local function moment(log, index) return struct.unpack('>I8', log, index * 8 + 1) end
-- How many moments of a log are not after `bound`.
local function until_then(log, bound)
  local low, high = 0, #log / 8
  while low < high do
    local middle = math.floor((low + high) / 2)
    if moment(log, middle) <= bound then low = middle + 1 else high = middle end
  end
  return low
end
"""
# KEYS: of the windows, and then of a fence, if one is wanted. ARGV: limit and microseconds of each
# window. Answers with the number of the window that refuses, or 0; the moment; the fence; and of
# each window how many are in it, and the microseconds until it takes one or the oldest leaves.
_TAKE: Final = Script(
    _MOMENTS
    + """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local count, logs, refused = #ARGV / 2, {}, 0
for i = 1, count do
  local span = tonumber(ARGV[2 * i])
  local log = redis.call('GET', KEYS[i]) or ''
  local last = #log > 0 and moment(log, #log / 8 - 1) or 0
  if last > now + span then log = '' elseif last >= now then now = last + 1 end
  logs[i] = log
end
local told = {0, 0, 0}
for i = 1, count do
  local limit, span = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local log = string.sub(logs[i], until_then(logs[i], now - span) * 8 + 1)
  logs[i] = log
  if refused == 0 and #log / 8 >= limit then refused = i end
end
for i = 1, count do
  local limit, span, log = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i]), logs[i]
  if refused == 0 then
    log = log .. struct.pack('>I8', now)
    redis.call('SET', KEYS[i], log, 'PX', math.ceil(span / 1000))
  end
  local used = #log / 8
  local first = refused > 0 and math.max(0, used - limit) or 0
  told[2 * i + 2] = used
  told[2 * i + 3] = used > 0 and moment(log, first) + span - now or 0
end
told[1], told[2] = refused, now
if #KEYS > count then told[3] = redis.call('GET', KEYS[count + 1]) or 0 end
return told
"""
)
_GIVE_BACK: Final = Script(
    _MOMENTS
    + """
for i = 1, #KEYS do
  local log = redis.call('GET', KEYS[i]) or ''
  local index = until_then(log, tonumber(ARGV[1])) - 1
  if index >= 0 and moment(log, index) == tonumber(ARGV[1]) then
    log = string.sub(log, 1, index * 8) .. string.sub(log, index * 8 + 9)
    redis.call('SET', KEYS[i], log, 'KEEPTTL')
  end
end
return 0
"""
)


class Shared:
    """Windows whose keys lie in one slot of a cluster, that of their subject."""

    def __init__(self, nodes: Nodes, fences: Fences) -> None:
        self._nodes = nodes
        self._fences = fences

    async def take(self, windows: Sequence[Window]) -> Decision:
        """Count a request. Raises AwayError, ResponseError."""
        keys = [window.key for window in windows]
        call = partial(self._nodes.call, keys[0])
        return _decision(windows, await _TAKE.run(call, keys, *_bounds(windows)))

    async def take_of(self, person: int, windows: Sequence[Window]) -> tuple[Decision, Fence]:
        """Count a request of `person`'s, and have their last fence with it: UNKNOWN where nobody
        can tell that. Raises AwayError, ResponseError.
        """
        keys = [*(window.key for window in windows), fence_key(person)]
        call = partial(self._fences.beside, person)
        told, is_whole = await _TAKE.run(call, keys, *_bounds(windows))
        return _decision(windows, told), int(told[2]) if is_whole else UNKNOWN

    async def give_back(self, windows: Sequence[Window], moment: int) -> None:
        """What was counted at that moment does not count. Raises AwayError, ResponseError."""
        keys = [window.key for window in windows]
        await _GIVE_BACK.run(partial(self._nodes.call, keys[0]), keys, moment)

    async def clear(self, window: Window) -> None:
        """Nothing in it counts any more. Raises AwayError, ResponseError."""
        await self._nodes.call(window.key, "DEL", window.key)


def _bounds(windows: Sequence[Window]) -> list[int]:
    return [
        bound for window in windows for bound in (window.policy.limit, window.policy.microseconds)
    ]


def _decision(windows: Sequence[Window], told: Any) -> Decision:
    refused, moment, _, *counts = told
    standings = [
        Standing(used, left / _MICROSECONDS)
        for used, left in zip(counts[::2], counts[1::2], strict=True)
    ]
    return Decision(windows, standings, windows[refused - 1].policy if refused else None, moment)
