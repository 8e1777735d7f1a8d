"""What the cache of this process has counted, by the names under which Prometheus keeps it."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from domain.cache import Cache, Figures

Counts = Iterator[tuple[tuple[str, ...], int]]
"""Numbers with the values of their labels."""


class Family(NamedTuple):
    """A counter: what it says, its labels, and where it is had from."""

    words: str
    labels: tuple[str, ...]
    counted: Callable[[Cache], Counts]


def _by_kind(count: Callable[[Figures], int]) -> Callable[[Cache], Counts]:
    def counted(cache: Cache) -> Counts:
        for kind, figures in cache.figures.items():
            yield (kind,), count(figures)

    return counted


def _reads(cache: Cache) -> Counts:
    for kind, each in cache.figures.items():
        yield (kind, "memory"), each.memory_hits
        yield (kind, "redis"), each.redis_hits
        yield (kind, "joined"), each.joined
        yield (kind, "database"), each.loads


def _fills(cache: Cache) -> Counts:
    for kind, each in cache.figures.items():
        yield (kind, "kept"), each.fills
        yield (kind, "refused"), each.refused


FAMILIES: Final = {
    "comanda_cache_reads": Family(
        "Values asked for, by the layer that had them, or joined to a reading under way",
        ("kind", "layer"),
        _reads,
    ),
    "comanda_cache_loaded_bytes": Family(
        "Of values read from PostgreSQL, encoded", ("kind",), _by_kind(lambda each: each.encoded)
    ),
    "comanda_cache_lease_waits": Family(
        "Naps while another process read a value", ("kind",), _by_kind(lambda each: each.waits)
    ),
    "comanda_cache_fills": Family(
        "Values handed to Redis, which refuses one that is older than its own",
        ("kind", "outcome"),
        _fills,
    ),
    "comanda_cache_evictions": Family(
        "Values that memory had no room for", ("kind",), _by_kind(lambda each: each.evicted)
    ),
    "comanda_cache_audited": Family(
        "Hits that were read once more on the primary",
        ("kind",),
        _by_kind(lambda each: each.audited),
    ),
    "comanda_cache_stale_served": Family(
        "Hits that were served a second after the primary had another value: a fault of ours",
        ("kind",),
        _by_kind(lambda each: each.stale),
    ),
    "comanda_cache_invalidations": Family(
        "Transactions heard of that made values void",
        (),
        lambda cache: iter([((), cache.changes.count)]),
    ),
    "comanda_cache_replays": Family(
        "Of these, told by the outbox and not by the bus",
        (),
        lambda cache: iter([((), cache.changes.replayed)]),
    ),
    "comanda_cache_trust_losses": Family(
        "Times that this process could not be sure any more of hearing of changes",
        (),
        lambda cache: iter([((), cache.changes.lapses)]),
    ),
}
"""By their names, without the `_total` that Prometheus adds."""
