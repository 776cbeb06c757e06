"""The contract of keyed stores, kept by every one: in memory, in a file, in a real Redis; and what each does alone."""

from __future__ import annotations

import multiprocessing
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailfilter.errors import MissingExtraError, StoreError
from mailfilter.stores import KeyedStore, open_keyed
from mailfilter.stores.guard import Guarded
from mailfilter.stores.keyed import (
    BUCKETS,
    EARNS,
    VOUCHES,
    WAITS,
    Attempt,
    Counter,
    Seen,
    Sighting,
    Tally,
    Timing,
    stamp,
)
from mailfilter.stores.keyed_sqlite import SqliteStore

T0 = 1_700_000_000.0
TIMING = Timing(180, 3600, 86_400)


def key(name: object) -> bytes:
    return f"{name}".encode().ljust(16, b".")


@pytest.fixture(params=["memory", "file", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyedStore]:
    if request.param == "redis":
        redis = pytest.importorskip("redis")
        url = request.getfixturevalue("redis_server").url
        redis.Redis.from_url(url).flushall()
    else:
        url = "memory" if request.param == "memory" else str(tmp_path / "keyed.db")
    found = open_keyed(url)
    yield found
    found.close()


def test_what_was_put_is_there_until_it_expires(store: KeyedStore) -> None:
    store.put({key(1): b"one", key(2): b"\0\xff"}, 3600, T0)
    store.put({key(2): b"two"}, 3600, T0)
    assert store.get([key(1), key(3), key(2), key(1)], T0 + 1) == [b"one", None, b"two", b"one"]
    assert store.get([], T0) == []


def test_an_attempt_waits_and_then_passes(store: KeyedStore) -> None:
    one = Attempt((key("net"), key("body")), bytes([EARNS | WAITS, WAITS]))
    pool = Attempt((key("other"), key("body")), bytes([EARNS | WAITS, WAITS]))
    assert store.attempt([one, pool, one], TIMING, T0) == [180, 180, 180]
    assert store.attempt([pool], TIMING, T0 + 60.5) == [120]
    assert store.attempt([pool], TIMING, T0 + 180) == [0]
    assert store.get([key("net"), key("other")], T0 + 180) == [stamp(b"w", T0), stamp(b"k", T0 + 180)]


def test_what_vouches_lets_pass_and_is_not_written(store: KeyedStore) -> None:
    asks = Attempt((key("net"), key("penpal")), bytes([EARNS | WAITS, VOUCHES]))
    assert store.attempt([asks], TIMING, T0) == [180]
    assert store.get([key("penpal")], T0) == [None]
    store.put({key("penpal"): stamp(b"k", T0)}, 60, T0)
    assert store.attempt([asks], TIMING, T0 + 1) == [0]


def test_nothing_asked_is_nothing_answered(store: KeyedStore) -> None:
    assert store.attempt([], TIMING, T0) == []
    assert store.tally([], T0) == []
    assert store.tally([Tally(())], T0) == [()]


def test_long_batches(store: KeyedStore) -> None:
    attempts = [Attempt((key(f"{n % 900}"),), bytes([EARNS | WAITS])) for n in range(1500)]
    assert store.attempt(attempts, TIMING, T0) == [180] * 1500
    assert store.attempt(attempts, TIMING, T0 + 200) == [0] * 1500
    tallies = [Tally((Counter(key(f"c{n % 300}"), 60, 1, number=2, binding=True),)) for n in range(900)]
    assert store.tally(tallies, T0) == [(1,)] * 300 + [(2,)] * 300 + [(3,)] * 300
    assert store.tally(tallies[:1], T0) == [(3,)], "the third was not counted"


def test_a_mail_counts_in_all_counters_or_in_none(store: KeyedStore) -> None:
    wide = Counter(key("wide"), 3600, 5, number=100, binding=True)
    narrow = Counter(key("narrow"), 3600, 1, number=1, binding=True)
    only_told = Counter(key("told"), 3600, 1, number=0)
    mail = Tally((wide, narrow, only_told))
    assert store.tally([mail, mail, mail], T0) == [(5, 1, 1), (10, 2, 2), (10, 2, 2)]
    assert store.tally([Tally((wide, only_told))], T0) == [(10, 2)]


def test_a_share_is_of_the_other_counter(store: KeyedStore) -> None:
    def mail(fresh: list[str]) -> Tally:
        new = Counter(key("new"), 3600, 0, tuple(map(key, fresh)), number=2, share=0.5, of=1, binding=True)
        return Tally((new, Counter(key("all"), 3600, 4, number=10**9)))

    store.put({key("known"): stamp(b"k", T0)}, 86_400, T0)
    assert store.tally([mail(["known"])] * 2, T0) == [(0, 4), (0, 8)]
    assert store.tally([mail(["a", "b", "c"])], T0) == [(3, 12)]
    assert store.tally([mail(["d", "e", "f", "g"])], T0) == [(7, 16)]
    assert store.tally([mail(["h", "i"])], T0) == [(9, 20)]


def test_who_is_seen_is_known_with_it(store: KeyedStore) -> None:
    day = T0 - T0 % 86_400
    store.put({key("label"): b"ham"}, 10**6, day)
    one = Sighting(key("a"), 10**7, 3, (key("label"), key("none")))
    beside = (b"ham", None)
    first = int(day)
    assert store.sight([one, one], day) == [Seen(first, first, 1, 1, 3, beside), Seen(first, first, 1, 2, 6, beside)]
    assert store.sight([one], day + 3600) == [Seen(first, first, 1, 3, 9, beside)], "the hour before counts"
    assert store.sight([one], day + 3 * 3600) == [Seen(first, first + 3600, 1, 4, 3, beside)]
    assert store.sight([one], day + 86_400) == [Seen(first, first + 3 * 3600, 2, 5, 3, beside)]
    assert store.sight([one._replace(key=key("b"))], day) == [Seen(first, first, 1, 1, 3, beside)]
    assert store.sight([], day) == []
    many = [Sighting(key(f"m{n % 700}"), 10**6) for n in range(1400)]
    assert [seen.times for seen in store.sight(many, day)] == [1] * 700 + [2] * 700


def test_who_was_not_seen_for_a_lifetime_is_new(tmp_path: Path) -> None:
    store = open_keyed(str(tmp_path / "keyed.db"))
    one = Sighting(key("a"), 100)
    assert [store.sight([one], T0 + later)[0].times for later in (0, 90, 180, 281)] == [1, 2, 3, 1]


def test_threads_share_a_store(store: KeyedStore) -> None:
    counter = Tally((Counter(key("shared"), 3600, 1, number=10**9),))
    threads = [threading.Thread(target=lambda: [store.tally([counter], T0) for _ in range(25)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.tally([counter], T0) == [(201,)]


# ---------------------------------------------------------------- laws

steps = st.lists(
    st.tuples(
        st.one_of(st.floats(-2000, 8000), st.floats(-90_000, 90_000)).map(lambda seconds: round(seconds, 3)),
        st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=4), max_size=3),
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 6), st.booleans()), max_size=3),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_redis_decides_as_sqlite_does(redis_server: object, steps: list) -> None:
    redis = pytest.importorskip("redis")
    url = redis_server.url  # type: ignore[attr-defined]
    redis.Redis.from_url(url).flushall()
    here, there = SqliteStore(), open_keyed(url)
    timing = Timing(180, 50_000_000, 100_000_000)  # expiry is by the server's clock, so nothing may expire here
    now = T0
    for seconds, asked, counted in steps:
        now += seconds
        attempts = [Attempt(tuple(key(f"a{name}") for name, _ in one), bytes(role for _, role in one)) for one in asked]
        assert here.attempt(attempts, timing, now) == there.attempt(attempts, timing, now)
        tallies = [
            Tally(
                tuple(
                    Counter(key(f"c{name}"), 1_000_000, add, (key("a0"), key("a1")), number, 0.5, -1, binding)
                    for name, (_, add, number, binding) in enumerate(counted)
                )
            )
        ]
        assert here.tally(tallies, now) == there.tally(tallies, now)
        seen = [Sighting(key(f"s{name}"), 10**8, add, (key("s0"), key("a0"))) for name, add, *_ in counted]
        assert here.sight(seen, now) == there.sight(seen, now)
        names = [key(f"{kind}{n}") for kind, number in (("a", 6), ("c", 4), ("s", 4)) for n in range(number)]
        assert here.get(names, now) == there.get(names, now)
    there.close()


@given(
    moments=st.lists(st.floats(0, 30), min_size=1, max_size=200),
    seconds=st.integers(12, 300),
    number=st.integers(0, 12),
)
@settings(max_examples=100, deadline=None)
def test_never_more_than_the_number_in_any_window_and_never_much_less(
    moments: list[float], seconds: int, number: int
) -> None:
    store, now, passed = SqliteStore(), T0, []
    counter = Tally((Counter(key("c"), seconds, 1, number=number, binding=True),))
    for moment in moments:
        now += moment
        ((total,),) = store.tally([counter], now)
        if total <= number:
            passed.append(now)
        else:
            longest = seconds * (BUCKETS + 1) / BUCKETS
            assert sum(now - longest <= one for one in passed) >= number, "refused below the limit"
        assert sum(now - seconds < one <= now for one in passed) <= number


# ---------------------------------------------------------------- SQLite


def _count_in(path: str) -> None:
    store = open_keyed(path)
    for _ in range(200):
        store.tally([Tally((Counter(key("shared"), 3600, 1, number=10**9),))], T0)
    store.close()


def test_processes_share_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "keyed.db")
    processes = [multiprocessing.get_context("fork").Process(target=_count_in, args=(path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert open_keyed(path).tally([Tally((Counter(key("shared"), 3600, 1, number=10**9),))], T0) == [(601,)]


def test_a_store_survives_a_fork(tmp_path: Path) -> None:
    store = open_keyed(str(tmp_path / "keyed.db"))
    store.put({key(1): b"parent"}, 3600, T0)
    child = multiprocessing.get_context("fork").Process(target=store.put, args=({key(2): b"child"}, 3600, T0))
    child.start()
    child.join(30)
    assert store.get([key(1), key(2)], T0) == [b"parent", b"child"]


def test_what_has_expired_is_swept_a_little_at_a_time(tmp_path: Path) -> None:
    path = str(tmp_path / "keyed.db")
    store, most = SqliteStore(path), 0
    for hour in range(30):
        for number in range(10):
            store.put({key(f"{hour * 400 + number * 40 + n:07}"): b"x" for n in range(40)}, 3600, T0 + hour * 3600)
        with sqlite3.connect(path) as db:
            ((rows,),) = db.execute("SELECT count(*) FROM keyed")
        most = max(most, rows)
    assert most < 2000, "of 12,000 that were written, 800 at most are alive"
    assert store.get([key(f"{29 * 400:07}")], T0 + 29 * 3600) == [b"x"]


def test_a_file_of_a_later_version_is_not_touched(tmp_path: Path) -> None:
    path = str(tmp_path / "keyed.db")
    open_keyed(path).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE keyed_version SET version = 99")
    with pytest.raises(StoreError, match="is of version 99; this mailfilter reads up to 1"):
        open_keyed(path)


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "keyed.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"keyed\.db: cannot be opened: file is not a database"):
        open_keyed(str(tmp_path / "keyed.db"))


def test_an_entry_that_was_damaged_is_an_error_of_the_store(tmp_path: Path) -> None:
    store = open_keyed(str(tmp_path / "keyed.db"))
    store.put({key("net"): b"wrong"}, 3600, T0)
    with pytest.raises(StoreError):
        store.attempt([Attempt((key("net"),), bytes([EARNS | WAITS]))], TIMING, T0)


# ---------------------------------------------------------------- opening and guarding


def test_a_url_that_names_no_store() -> None:
    with pytest.raises(StoreError, match="there is no store of the kind memcached://; there are redis://"):
        open_keyed("memcached://127.0.0.1")
    pytest.importorskip("redis")
    with pytest.raises(StoreError, match=r"redis://127\.0\.0\.1:port/"):
        open_keyed("redis://user:secret@127.0.0.1:port/")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mailfilter\[redis\]'"):
        open_keyed("redis://127.0.0.1/0")


def test_a_password_is_never_shown() -> None:
    pytest.importorskip("redis")
    store = open_keyed("redis://user:secret@127.0.0.1:1/0")
    with pytest.raises(StoreError) as raised:
        store.get([key(1)], T0)
    assert "secret" not in str(raised.value)
    assert "redis://127.0.0.1:1/0" in str(raised.value)


def test_a_store_that_failed_is_left_alone_for_a_while() -> None:
    class Failing(SqliteStore):
        works, asked = False, 0

        def get(self, keys: object, now: float) -> list[bytes | None]:
            self.asked += 1
            if not self.works:
                raise StoreError("on purpose")
            return []

    now = [0.0]
    failing = Failing()
    store = Guarded(failing, pause=1, clock=lambda: now[0])
    for _ in range(100):
        with pytest.raises(StoreError, match="on purpose"):
            store.get([], T0)
    assert failing.asked == 1
    now[0] = 1.5
    with pytest.raises(StoreError):
        store.get([], T0)
    assert failing.asked == 2
    failing.works, now[0] = True, 3.0
    assert store.get([], T0) == store.get([], T0) == []
