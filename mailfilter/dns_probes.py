"""What ``mailfilter doctor --dns`` tells of each DNS list: does it answer, rightly, how fast, and is it believed.

Each list is asked for its test points (RFC 5782: one that must be listed, one that must not) and for a name that
nobody can have listed.  A list that gives the wrong answer is worse than none, so it is called wrong and not slow.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from .chain import FilterChain
from .checks.dnsbl import DnsblCheck
from .deadline import Deadline
from .dnslists import DnsList, ListState, read_list_answer
from .examination import Line
from .lookups import DnsAnswer, DnsQuestion, DnsState, Lookup
from .lookups.watch import ListWatch
from .lookups.watch_zone import Zone, probes


def short_lines(chain: FilterChain) -> Iterator[Line]:
    """The short form: whether every list passes its tests."""
    lookup, check = chain.lookups.get(DnsQuestion), _check(chain)
    if lookup is None:
        waiting = f"; {len(check.lists)} lists are waiting for one" if check and check.lists else ""
        yield Line("dns", f"no resolver is configured (dns.resolvers): no list is asked{waiting}", bool(waiting))
    elif check is None or not check.lists:
        yield Line("dns", "no list is configured (dns.lists, dns.custom)")
    else:
        for definition in check.lists:
            yield from _tests(chain, definition, lookup)


def list_lines(chain: FilterChain) -> Iterator[Line]:
    """The long form: everything that is known of each list."""
    lookup, check = chain.lookups.get(DnsQuestion), _check(chain)
    if lookup is None or check is None or not check.lists:
        yield from short_lines(chain)
        return
    for server in getattr(lookup, "servers", ()):
        yield Line("resolver", str(server))
    watch = lookup if isinstance(lookup, ListWatch) and lookup.book.watching else None
    if watch is None:
        yield Line("watch", "off (dns.watch): a list that breaks is believed until you see it")
    for definition in check.lists:
        kind, places = _KINDS[definition.kind], ", ".join(definition.ask)
        yield Line(definition.name, f"zone {definition.shown}, a list of {kind}, asked about {places}")
        yield from _key(definition)
        yield from (Line(definition.name, line.text, line.wrong) for line in _tests(chain, definition, lookup))
        if watch is not None and definition.configured:
            yield from _watched(definition, watch)


_KINDS = {"ip": "addresses", "domain": "domains", "url": "links (hashes)", "email": "mail addresses (hashes)"}


def _check(chain: FilterChain) -> DnsblCheck | None:
    return next((check for check in chain.asking if isinstance(check, DnsblCheck)), None)


def _key(definition: DnsList) -> Iterator[Line]:
    if definition.key_env and definition.configured:
        yield Line(definition.name, f"key: found in {definition.key_env}")


def _tests(chain: FilterChain, definition: DnsList, lookup: Lookup) -> Iterator[Line]:
    """One line for each test, asked now, whatever the watch thinks of the list."""
    if not definition.configured:
        yield Line("dns", f"{definition.name}: not configured: no key in {definition.key_env}", True)
        return
    asked = lookup.lookup if isinstance(lookup, ListWatch) else lookup
    for probe in probes(Zone(definition.shown, definition.public_zone, definition.asked_zone, (definition,))):
        begun = time.monotonic()
        answer: DnsAnswer = asked.ask(probe.question, Deadline.after(chain.config.engine.deadline))
        seconds = time.monotonic() - begun
        wanted = ListState.LISTED if probe.listed else ListState.NOT_LISTED
        state, detail = _state(definition, answer)
        hint = "" if state is wanted else f"; {wanted.value} was expected (RFC 5782)"
        said = f"{detail}, " if detail else ""
        text = f"{definition.shown}: {probe.what} is {state.value}{hint} ({said}{seconds * 1000:.0f} ms)"
        yield Line("dns", text, bool(hint))


def _state(definition: DnsList, answer: DnsAnswer) -> tuple[ListState, str]:
    """What the list says; an address of its own with a code that is not declared is a listing to a test."""
    read = read_list_answer(definition, answer)
    records = ", ".join(answer.records[:4])
    inside = answer.state is DnsState.FOUND and all(record.startswith("127.") for record in answer.records)
    if read.state is ListState.MALFORMED and inside and not answer.alias:
        return ListState.LISTED, records
    return read.state, records or answer.detail


def _watched(definition: DnsList, watch: ListWatch) -> Iterator[Line]:
    """Breaker, last test and base rate as this process, or the file that processes share, knows them."""
    book = watch.book
    book.sync()
    known, now = book.zones[definition.public_zone].known, book.clock()
    if known.openings:
        left = max(0.0, known.open_until - now)
        yield Line(definition.name, f"breaker: open for {left:.0f} s more: {known.open_reason}", True)
    else:
        yield Line(definition.name, "breaker: closed")
    if known.probed_at:
        said = known.fault or f"right, {known.latency * 1000:.0f} ms"
        yield Line(definition.name, f"last test: {now - known.probed_at:.0f} s ago, {said}", bool(known.fault))
    usual = f"{known.listed / known.asked:.1%} of {known.asked:.0f} answers" if known.asked else "no history"
    muted = f"; muted: {known.muted}" if known.muted else ""
    yield Line(definition.name, f"base rate: {usual}{muted}", bool(known.muted))
