"""Windows in Redis, for all processes: exact, by its clock, and all of a request in one call."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from bff.edge.limits.policies import Decision, Standing, Window, Windows
from domain.database import UNKNOWN, Fence, Fences, fence_key
from domain.redis import Nodes, Script, Word

_MICROSECONDS: Final = 1_000_000
# Of what a window has room for, nobody takes more at once than one of so many parts.
_PARTS: Final = 16

# A window is a string: how many requests are in it (four bytes), then moments (microseconds, eight
# bytes) with how many requests fell into each (four), the oldest first. A hundred requests are
# 1,204 bytes, where a sorted set takes a third more; three thousand, in 64 grains, are 784.
_WINDOWS: Final = """
local function entries(log) return math.floor(#log / 12) end
local function moment(log, index) return struct.unpack('>I8', log, index * 12 + 5) end
local function count(log, index) return struct.unpack('>I4', log, index * 12 + 13) end
local function rounded(now, grain) return math.ceil(now / grain) * grain end
"""
# KEYS: of the windows, and then of a fence, if one is wanted. ARGV: limit, microseconds and grain
# of each window, and how many requests to count, or as many of these as one process may have.
# Answers with the number of the window that refuses, or 0; the moment; the fence; how many were
# counted; and of each window how many are in it, and the microseconds until it takes one or one
# leaves.
_TAKE: Final = Script(
    _WINDOWS
    + """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local windows, refused = {}, 0
local taken = tonumber(ARGV[#ARGV])
for i = 1, (#ARGV - 1) / 3 do
  local limit, span = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1])
  local grain = tonumber(ARGV[3 * i])
  local log = redis.call('GET', KEYS[i]) or ''
  if #log > 0 then
    local last = moment(log, entries(log) - 1)
    -- Clocks may go back, or be another node's: no moment is before the last one; but one that is
    -- further ahead than a window is nobody's.
    if last > now + span + grain then log = ''
    else now = math.max(now, grain == 1 and last + 1 or last - grain + 1) end
  end
  windows[i] = {limit = limit, span = span, grain = grain, log = log}
end
for i, window in ipairs(windows) do
  local log, gone, used = window.log, 0, 0
  if #log > 0 then
    used = struct.unpack('>I4', log)
    while gone < entries(log) and moment(log, gone) <= now - window.span do
      used, gone = used - count(log, gone), gone + 1
    end
  end
  window.kept, window.used = string.sub(log, gone * 12 + 5), used
  if refused == 0 and used >= window.limit then refused = i end
  taken = math.max(1, math.min(taken, math.floor((window.limit - used) / PARTS)))
end
local told = {refused, now, 0, taken}
for i, window in ipairs(windows) do
  local kept, used = window.kept, window.used
  if refused == 0 then
    local mark, last, so_far = rounded(now, window.grain), #kept - 12, 0
    if last >= 0 and struct.unpack('>I8', kept, last + 1) == mark then
      so_far, kept = struct.unpack('>I4', kept, last + 9), string.sub(kept, 1, last)
    end
    used = used + taken
    kept = kept .. struct.pack('>I8I4', mark, so_far + taken)
    local log = struct.pack('>I4', used) .. kept
    redis.call('SET', KEYS[i], log, 'PX', math.ceil((window.span + window.grain) / 1000))
  end
  -- The first that leaves, or of those that have to, the last.
  local place, left = 1, math.max(0, refused > 0 and used - window.limit or 0)
  while left > 0 and place + 12 < #kept do
    left, place = left - struct.unpack('>I4', kept, place + 8), place + 12
  end
  told[2 * i + 3] = used
  told[2 * i + 4] = used > 0 and struct.unpack('>I8', kept, place) + window.span - now or 0
end
if #KEYS > #windows then told[3] = redis.call('GET', KEYS[#windows + 1]) or 0 end
return told
""".replace("PARTS", str(_PARTS))
)
# ARGV: the moment, the grain of each window, and how many requests.
_GIVE_BACK: Final = Script(
    _WINDOWS
    + """
for i = 1, #KEYS do
  local log = redis.call('GET', KEYS[i]) or ''
  local mark = rounded(tonumber(ARGV[1]), tonumber(ARGV[i + 1]))
  local index = entries(log) - 1
  while index >= 0 and moment(log, index) > mark do index = index - 1 end
  if index >= 0 and moment(log, index) == mark then
    local many = math.min(tonumber(ARGV[#ARGV]), count(log, index))
    local left = count(log, index) - many
    local entry = left > 0 and struct.pack('>I8I4', mark, left) or ''
    log = struct.pack('>I4', struct.unpack('>I4', log) - many) .. string.sub(log, 5, index * 12 + 4)
      .. entry .. string.sub(log, index * 12 + 17)
    if #log > 4 then redis.call('SET', KEYS[i], log, 'KEEPTTL') else redis.call('DEL', KEYS[i]) end
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

    def is_away(self, windows: Windows) -> bool:
        """Whether nobody is there to be asked, which needs no try."""
        place = self._nodes.of(windows.slot)
        return place is None or self._nodes.wire(place) is None

    async def take(self, windows: Windows) -> Decision:
        """Count a request. Raises AwayError, ResponseError."""
        return (await self.take_several(windows, 1))[0]

    async def take_several(self, windows: Windows, many: int) -> tuple[Decision, int]:
        """Count a request, and up to so many with it where there is room; and how many these are.
        Raises AwayError, ResponseError."""
        call = partial(self._nodes.call, windows.keys[0])
        return several(windows, await _TAKE.run(call, windows.keys, *windows.bounds, many))

    def ask(self, windows: Windows, many: int) -> asyncio.Future[Any]:
        """The same, of which `several` makes what was decided, for who does not wait; also where
        `take_several` would look elsewhere. Raises AwayError, ResponseError."""
        keys = windows.keys
        asked: tuple[Word, ...] = ("EVALSHA", _TAKE.name, len(keys), *keys, *windows.bounds, many)
        return self._nodes.ask(windows.slot, *asked)

    async def take_of(self, person: int, windows: Windows) -> tuple[Decision, Fence]:
        """Count a request of `person`'s, and have their last fence with it: UNKNOWN where nobody
        can tell that. Raises AwayError, ResponseError.
        """
        keys = [*windows.keys, fence_key(person)]
        call = partial(self._fences.beside, person)
        told, is_whole = await _TAKE.run(call, keys, *windows.bounds, 1)
        return several(windows, told)[0], int(told[2]) if is_whole else UNKNOWN

    async def give_back(self, windows: Sequence[Window], moment: int, many: int = 1) -> None:
        """What was counted at that moment does not count. Raises AwayError, ResponseError."""
        if not windows:
            return
        keys = [window.key for window in windows]
        grains = [window.policy.grain for window in windows]
        await _GIVE_BACK.run(partial(self._nodes.call, keys[0]), keys, moment, *grains, many)

    async def clear(self, window: Window) -> None:
        """Nothing in it counts any more. Raises AwayError, ResponseError."""
        await self._nodes.call(window.key, "DEL", window.key)


def several(windows: Windows, told: Any) -> tuple[Decision, int]:
    """What was decided, and of how many requests."""
    refused, moment, _, taken, *counts = told
    standings = [
        Standing(used, left / _MICROSECONDS)
        for used, left in zip(counts[::2], counts[1::2], strict=True)
    ]
    refused_by = windows[refused - 1].policy if refused else None
    return Decision(windows, standings, refused_by, moment), taken
