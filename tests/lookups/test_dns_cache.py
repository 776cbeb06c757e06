"""The DNS cache: knowledge, for as long as it holds, and no more of it than was allowed."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState
from mailfilter.lookups.dns_cache import MAX_TEXT, MAX_TTL, DnsCache
from mailfilter.testing.clock import FakeClock

FOUND = DnsAnswer(DnsState.FOUND, ("127.0.0.2",), 60)


def question(name: object = "a.test") -> DnsQuestion:
    return DnsQuestion(str(name))


@pytest.mark.parametrize("answer", [FOUND, DnsAnswer(DnsState.NOT_FOUND, ttl=60)])
def test_an_answer_holds_for_its_time(answer: DnsAnswer) -> None:
    clock = FakeClock()
    cache = DnsCache(clock=clock)
    cache.put(question(), answer)
    clock.advance(59.0)
    assert cache.get(question()) == DnsAnswer(answer.state, answer.records, 1)
    clock.advance(1.0)
    assert cache.get(question()) is None
    assert len(cache) == 0


@pytest.mark.parametrize("state", [state for state in DnsState if not state.known])
def test_a_failure_is_never_kept(state: DnsState) -> None:
    cache = DnsCache()
    cache.put(question(), DnsAnswer(state, ttl=600))
    assert cache.get(question()) is None


def test_what_has_no_time_to_live_or_is_too_long_is_not_kept() -> None:
    cache = DnsCache()
    cache.put(question(), DnsAnswer(DnsState.FOUND, ("127.0.0.2",), 0))
    cache.put(question(), DnsAnswer(DnsState.FOUND, ("x" * MAX_TEXT, "y"), 60))
    assert len(cache) == 0


def test_nothing_is_believed_for_longer_than_a_day() -> None:
    clock = FakeClock()
    cache = DnsCache(clock=clock)
    cache.put(question(), DnsAnswer(DnsState.FOUND, ("127.0.0.2",), 10 * MAX_TTL))
    clock.advance(MAX_TTL)
    assert cache.get(question()) is None


def test_types_are_kept_apart() -> None:
    cache = DnsCache()
    cache.put(DnsQuestion("a.test", "A"), FOUND)
    assert cache.get(DnsQuestion("a.test", "TXT")) is None


def test_the_least_recently_used_goes_first() -> None:
    cache = DnsCache(size=3)
    for name in "abc":
        cache.put(question(name), FOUND)
    cache.get(question("a"))
    cache.put(question("d"), FOUND)
    assert [name for name in "abcd" if cache.get(question(name))] == ["a", "c", "d"]
    cache.clear()
    assert len(cache) == 0


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 100), st.integers(0, 5))))
def test_it_never_grows_and_never_keeps_too_long(steps: list[tuple[int, int, int]]) -> None:
    """Against a plain dict of when each answer ends."""
    clock = FakeClock()
    cache = DnsCache(size=8, clock=clock)
    ends: dict[int, float] = {}
    for name, ttl, passed in steps:
        cache.put(question(name), DnsAnswer(DnsState.FOUND, (str(name),), ttl))
        if ttl:
            ends[name] = clock() + ttl
        clock.advance(passed)
        for key, end in ends.items():
            kept = cache.get(question(key))
            assert kept is None or (kept.records == (str(key),) and end > clock() and kept.ttl <= end - clock() + 1)
        assert len(cache) <= 8


def test_threads_share_it() -> None:
    cache = DnsCache(size=50)
    wrong: list[object] = []

    def work(seed: int) -> None:
        for n in range(2_000):
            name = (n * 7 + seed) % 90
            kept = cache.get(question(name))
            if kept is not None and kept.records != (str(name),):
                wrong.append((name, kept))
            cache.put(question(name), DnsAnswer(DnsState.FOUND, (str(name),), 60))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(cache) == 50
