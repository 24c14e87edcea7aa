"""The threads of a service: what may take long, or may be misused, has threads of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from flowcept_service.affinity import Home, roam
from flowcept_service.config import LimitOptions
from flowcept_service.server.methods import CHECK_HEALTH, DOWNLOAD, QUERY, REFLECT, SUBSCRIBE, UPLOAD, WATCH_HEALTH

SPARE_THREADS = 8
"""Threads beyond the bound of a pool, so that a call over the bound finds one in which it is refused."""


@dataclass(frozen=True, slots=True)
class Pools:
    """The thread pools, by what runs in them."""

    calls: ThreadPoolExecutor
    """Every method without a pool of its own."""
    uploading: ThreadPoolExecutor
    reading: ThreadPoolExecutor
    """Downloads and queries."""
    subscribing: ThreadPoolExecutor
    hashing: ThreadPoolExecutor
    """Digests of uploads, beside receiving them."""
    probing: ThreadPoolExecutor
    """Health; open to strangers, so whoever misuses it must not keep others waiting. So is the next."""
    describing: ThreadPoolExecutor

    @classmethod
    def of(cls, limits: LimitOptions, home: Home) -> Self:
        """The pools for some limits; threads are started as they are needed.

        Those of calls run little but Python, and stay at home.
        """
        return cls(
            calls=_pool(limits.max_calls, "call", home.stay),
            uploading=_pool(limits.max_uploads + SPARE_THREADS, "upload", home.stay),
            reading=_pool(limits.max_downloads, "download", home.stay),
            subscribing=_pool(limits.max_subscriptions + SPARE_THREADS, "subscription", home.stay),
            hashing=_pool(limits.max_uploads, "digest", roam),
            probing=_pool(SPARE_THREADS, "health", home.stay),
            describing=_pool(SPARE_THREADS, "reflection", home.stay),
        )

    def by_method(self) -> Mapping[str, ThreadPoolExecutor]:
        """The pools of the methods that have one of their own."""
        return {
            UPLOAD: self.uploading,
            DOWNLOAD: self.reading,
            QUERY: self.reading,
            SUBSCRIBE: self.subscribing,
            CHECK_HEALTH: self.probing,
            WATCH_HEALTH: self.probing,
            REFLECT: self.describing,
        }

    def shutdown(self) -> None:
        """Wait for what runs, and drop what has not begun."""
        for pool in (
            self.calls,
            self.uploading,
            self.reading,
            self.subscribing,
            self.hashing,
            self.probing,
            self.describing,
        ):
            pool.shutdown(wait=True, cancel_futures=True)


def _pool(threads: int, name: str, begin: Callable[[], None]) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name, initializer=begin)
