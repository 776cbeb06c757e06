"""Counters for Prometheus out of the events of `mailfilter.observing`.  Needs the extra ``mailfilter[metrics]``.

metrics = Metrics()
metrics.watch(chain)
handler = FilterHandler(chain, "127.0.0.1:10026", observers=[metrics.observe])
prometheus_client.start_http_server(9100, registry=metrics.registry)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .alarms import ALARMS, alarms, muted
from .errors import MissingExtraError, StoreError

try:
    from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
    from prometheus_client.core import GaugeMetricFamily
except ImportError:
    raise MissingExtraError("counting for Prometheus", "metrics") from None

if TYPE_CHECKING:
    from .chain import FilterChain

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SCORES = (-10, -5, -2, 0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30)
_OCTETS = tuple(4**power for power in range(5, 13))


class Metrics:
    """Counts events; ``registry`` is a new one unless given."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"mailfilter_{name}", text, labels, registry=self.registry)

        def histogram(name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
            return Histogram(f"mailfilter_{name}", text, labels, buckets=tuple(buckets), registry=self.registry)

        self._mails = counter("mails", "Mails by what was decided.", "action", "reason", "direction")
        self._symbols = counter("symbols", "Mails in which a symbol was found.", "symbol")
        self._unknown = counter("unknown", "Mails of which something could not be learned.", "symbol")
        self._replies = counter("replies", "Replies to mails, by SMTP code.", "code")
        self._copies = counter("recipients", "Recipients by what became of their copies.", "outcome")
        self._refused = counter("refused_unread", "Mails refused before they were looked at.")
        self._not_stored = counter("store_failures", "Mails refused for now because a store failed.")
        self._score = histogram("score_points", "Scores of mails.", _SCORES)
        self._size = histogram("mail_bytes", "Sizes of mails.", _OCTETS)
        self._seconds = histogram("stage_seconds", "Time of mails in each stage.", _SECONDS, "stage")

    def observe(self, event: Mapping[str, Any]) -> None:
        """Count one event."""
        if event.get("event") == "refused":
            self._refused.inc()
            self._replies.labels(event["reply"][:3]).inc()
        elif event.get("event") == "mail":
            self._mail(event)

    def watch(self, chain: FilterChain) -> None:
        """Look at the chain's stores and lists whenever somebody asks for the counters."""
        self.registry.register(_Watching(chain))

    def serve(self, port: int, address: str = "127.0.0.1") -> None:
        """Answer Prometheus over HTTP, in a thread."""
        start_http_server(port, address, self.registry)

    def _mail(self, event: Mapping[str, Any]) -> None:
        self._mails.labels(event["action"], event["reason"], event["direction"]).inc()
        for name in event["symbols"]:
            self._symbols.labels(name).inc()
        for name in event["unknown"]:
            self._unknown.labels(name).inc()
        for reply in event["replies"]:
            self._replies.labels(reply[:3]).inc()
        for outcome, number in event["recipients"].items():
            self._copies.labels(outcome).inc(number)
        if event["settled_by"] == "not_stored":
            self._not_stored.inc()
        self._score.observe(event["score"])
        self._size.observe(event["size"])
        for stage, seconds in event["seconds"].items():
            self._seconds.labels(stage).observe(seconds)


class _Watching:
    """A collector of what is so now."""

    def __init__(self, chain: FilterChain) -> None:
        self._chain = chain

    def describe(self) -> list[Any]:
        """Nothing in advance: registering must not ask stores."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Alarms, and the quarantine's numbers."""
        wrong = alarms(self._chain)
        family = GaugeMetricFamily("mailfilter_alarms", "What somebody has to look at, by kind.", labels=["kind"])
        for kind in ALARMS:
            family.add_metric([kind], sum(alarm.kind == kind for alarm in wrong))
        yield family
        lists = GaugeMetricFamily("mailfilter_list_muted", "1 for a DNS list that is not believed.", labels=["list"])
        for name in muted(self._chain):
            lists.add_metric([name], 1)
        yield lists
        quarantine = self._chain.quarantine
        if quarantine is None:
            return
        try:
            stats = quarantine.stats()
        except StoreError:
            return  # the alarm says so
        states = GaugeMetricFamily("mailfilter_quarantine_mails", "Entries of the quarantine.", labels=["state"])
        for count in stats.counts:
            states.add_metric([str(count.state)], count.mails)
        yield states
        yield _gauge("quarantine_bytes", "Octets in the quarantine.", stats.size)
        yield _gauge("quarantine_unseen", "Mails that nobody was told of or looked at.", stats.unseen)
        yield _gauge("quarantine_oldest_unseen_seconds", "Age of the oldest of them.", stats.oldest)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"mailfilter_{name}", text, value=value)
