"""Many questions at once, of many threads and tasks, and the two drivers over a real look-up."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailfilter.checks import Asking, Mail
from mailfilter.deadline import Deadline
from mailfilter.envelope import Envelope
from mailfilter.lookups import DnsAnswer, DnsQuestion, DnsState, ScanAnswer, ScanQuestion, ScanState
from mailfilter.lookups.dns import DnsLookup
from mailfilter.lookups.dns_servers import Joined
from mailfilter.lookups.drivers import Lookups, adrive, drive
from mailfilter.lookups.engine import Engine
from mailfilter.message import Message
from mailfilter.symbols import Symbol, SymbolInfo
from mailfilter.testing.answers import AnswersLookup
from mailfilter.testing.fake_dns import FakeDns

LISTED = ("127.0.0.2",)
RECORDS = {"bl.test": {"A": LISTED}, **{f"n{n}.bl.test": {"A": LISTED} for n in range(0, 400, 2)}}
FOUND, TIMEOUT = DnsState.FOUND, DnsState.TIMEOUT


def forty() -> list[DnsQuestion]:
    return [DnsQuestion(f"n{n}.bl.test") for n in range(40)]


def idle(lookup: DnsLookup) -> None:
    """Nothing is left of what was under way."""
    assert lookup._in_flight._count == 0
    assert not lookup._common().joined._waiting
    for loop in lookup._loops.values():
        assert not loop._waiting


def test_forty_questions_of_one_thread_cost_one_round_trip_and_no_thread() -> None:
    with FakeDns(RECORDS, delay=0.05) as server:
        lookup = DnsLookup([server.address])
        lookup.ask(DnsQuestion("warm.test"), Deadline.after(5))
        threads = threading.active_count()
        begun = time.monotonic()
        with lookup.talk() as talk:
            talk.start(forty(), Deadline.after(5))
            answers = dict(talk.wait(5))
            assert threading.active_count() == threads
            while len(answers) < 40:
                answers.update(talk.wait(5))
        assert time.monotonic() - begun < 1.0  # one after the other: 2 seconds
        begun = time.monotonic()
        again = lookup.ask_many(forty(), Deadline.after(5))
        assert time.monotonic() - begun < 0.1
        assert len(server.asked) == 41
    assert [answer.records for answer in again] == [LISTED if n % 2 == 0 else () for n in range(40)]
    assert {question: answer.state for question, answer in answers.items()} == dict(
        zip(forty(), (answer.state for answer in again), strict=True)
    )
    idle(lookup)


def test_the_order_of_answers_is_that_of_the_questions_and_duplicates_are_asked_once() -> None:
    with FakeDns(RECORDS) as server:
        lookup = DnsLookup([server.address])
        questions = [*forty(), *forty()[::-1], DnsQuestion("a..b")]
        blocking = lookup.ask_many(questions, Deadline.after(5))
        assert len(server.asked) == 40
        lookup.cache.clear()
        awaited = asyncio.run(lookup.aask_many(questions, Deadline.after(5)))
    assert [a.state for a in awaited] == [a.state for a in blocking]
    assert blocking[:40] == blocking[79:39:-1]
    assert blocking[-1].state is DnsState.MALFORMED


def test_what_threads_and_tasks_ask_at_the_same_time_is_asked_once() -> None:
    with FakeDns(RECORDS, delay=0.3) as server:
        lookup = DnsLookup([server.address])

        async def awaited(_: int) -> list[DnsAnswer]:
            return await asyncio.gather(*(lookup.aask(DnsQuestion("bl.test"), Deadline.after(5)) for _ in range(5)))

        def loop(number: int) -> list[DnsAnswer]:
            return asyncio.run(awaited(number))

        def thread(_: int) -> list[DnsAnswer]:
            return [lookup.ask(DnsQuestion("bl.test"), Deadline.after(5))]

        with ThreadPoolExecutor(8) as pool:
            faces = [pool.submit(face, n) for n in range(4) for face in (loop, thread)]
            answers = [answer for future in faces for answer in future.result()]
        assert [answer.records for answer in answers] == [LISTED] * 24
        assert len(server.asked) == 1
    idle(lookup)


@pytest.mark.parametrize("patient", ["thread", "loop"])
@pytest.mark.parametrize("hasty", ["thread", "loop"])
def test_who_waits_for_somebody_that_gives_up_asks_anew(hasty: str, patient: str) -> None:
    with FakeDns(RECORDS, failures={"bl.test": "slow"}, slowness=0.5) as server:
        lookup = DnsLookup([server.address])

        def ask(face: str, seconds: float) -> DnsAnswer:
            if face == "thread":
                return lookup.ask(DnsQuestion("bl.test"), Deadline.after(seconds))
            return asyncio.run(lookup.aask(DnsQuestion("bl.test"), Deadline.after(seconds)))

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(ask, hasty, 0.2)
            time.sleep(0.05)
            second = pool.submit(ask, patient, 5.0)
            assert (first.result().state, second.result().records) == (TIMEOUT, LISTED)
        assert len(server.asked) == 2
    idle(lookup)


def test_a_task_that_is_cancelled_does_not_take_the_answer_from_others() -> None:
    with FakeDns(RECORDS, delay=0.2) as server:
        lookup = DnsLookup([server.address])

        async def two() -> DnsAnswer:
            first = asyncio.ensure_future(lookup.aask(DnsQuestion("bl.test"), Deadline.after(5)))
            second = asyncio.ensure_future(lookup.aask(DnsQuestion("bl.test"), Deadline.after(5)))
            await asyncio.sleep(0.05)
            first.cancel()
            return await second

        assert asyncio.run(two()).records == LISTED
        assert len(server.asked) == 1
    idle(lookup)


def test_tasks_with_other_deadlines_each_keep_their_own() -> None:
    with FakeDns(failures={"test": "timeout"}) as server:
        lookup = DnsLookup([server.address])

        async def asked(seconds: float) -> float:
            begun = time.monotonic()
            answer = await lookup.aask(DnsQuestion("bl.test"), Deadline.after(seconds))
            assert answer.state is TIMEOUT
            return time.monotonic() - begun

        async def both() -> list[float]:
            return list(await asyncio.gather(asked(0.2), asked(0.6)))

        short, long = asyncio.run(both())
    assert 0.2 <= short < 0.5
    assert 0.6 <= long < 0.9


def test_a_loop_that_is_gone_is_forgotten() -> None:
    with FakeDns(RECORDS) as server:
        lookup = DnsLookup([server.address])
        loop = asyncio.new_event_loop()
        loop.run_until_complete(lookup.aask(DnsQuestion("bl.test"), Deadline.after(5)))
        loop.close()
        gone = weakref.ref(loop)
        del loop
        gc.collect()
    assert gone() is None
    assert len(lookup._loops) == 0


@pytest.mark.filterwarnings("ignore")  # of sockets and tasks that nobody has closed
@pytest.mark.parametrize("face", ["blocking", "async"])
def test_a_loop_that_is_closed_over_a_question_does_not_keep_others_waiting(face: str) -> None:
    with FakeDns(RECORDS, delay=0.3) as server:
        lookup = DnsLookup([server.address])
        loop = asyncio.new_event_loop()
        task = loop.create_task(lookup.aask(DnsQuestion("bl.test"), Deadline.after(30)))
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()
        begun = time.monotonic()
        if face == "async":
            answer = asyncio.run(lookup.aask(DnsQuestion("bl.test"), Deadline.after(5)))
        else:
            answer = lookup.ask(DnsQuestion("bl.test"), Deadline.after(5))
        assert answer.records == LISTED
        assert time.monotonic() - begun < 3
        assert not task.done()
    idle(lookup)


def test_who_is_lost_over_a_question_has_it_only_until_its_deadline() -> None:
    joined, told = Joined(), list[DnsAnswer | None]()
    question = DnsQuestion("bl.test")
    assert joined.claim(question, lambda *_: None, until=5.0, now=0.0)
    assert not joined.claim(question, lambda _, answer: told.append(answer), until=9.0, now=4.9)
    assert joined.claim(question, lambda *_: None, until=20.0, now=6.0)
    answer = DnsAnswer(FOUND, LISTED)
    joined.settle(question, answer)
    joined.settle(question, None)
    assert told == [answer]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are counted in /proc")
def test_no_socket_stays_open() -> None:
    with FakeDns(RECORDS, failures={"t.test": "timeout", "c.test": "truncated", "h.test": "truncated_hangs"}) as server:
        lookup = DnsLookup([server.address], patience=0.1)
        lookup.ask(DnsQuestion("warm.test"), Deadline.after(5))
        before = len(os.listdir("/proc/self/fd"))
        questions = [*forty(), *(DnsQuestion(f"{name}.test") for name in "tch")]
        lookup.ask_many(questions, Deadline.after(0.4))
        assert len(os.listdir("/proc/self/fd")) <= before + 1  # the server has one stream in hand

        async def ask() -> None:
            lookup.cache.clear()
            lowest = len(os.listdir("/proc/self/fd"))
            await lookup.aask_many(questions, Deadline.after(0.4))
            assert len(os.listdir("/proc/self/fd")) <= lowest + 1

        asyncio.run(ask())
    idle(lookup)


# ------------------------------------------------------------------------------------------------ drivers
class Asker:
    """Three rounds about each mail: a shared name, one of its own, and a scan."""

    name = "asker"
    symbols: tuple[SymbolInfo, ...] = (SymbolInfo("SEEN", "seen", "lists", 1.0, "asker"),)

    def ask(self, mail: Mail) -> Asking:
        number = int(mail.message.subject)
        first = yield (DnsQuestion("bl.test"), ScanQuestion(b"same"))
        second = yield (DnsQuestion(f"n{number}.bl.test"),)
        return (Symbol("SEEN", 1.0, " ".join(answer.state.value for answer in (*first, *second))),)


def mail(number: int) -> Mail:
    return Mail(Message(b"Subject: %d\n\n" % number), Envelope())


def both_kinds(lookup: DnsLookup, delay: float = 0.0) -> Lookups:
    """The look-up, and a scanner that takes its time."""
    scanner = AnswersLookup(ScanQuestion, default=ScanAnswer(ScanState.CLEAN), delay=delay)
    return {DnsQuestion: lookup, ScanQuestion: scanner}


def seen(engine: Engine) -> list[str]:
    return [symbol.evidence for found in engine.findings for symbol in found]


@pytest.mark.parametrize(("slow", "delay"), [("dns", 0.0), ("scan", 0.3)])
@pytest.mark.parametrize("face", ["blocking", "async"])
def test_many_questions_beside_threads(face: str, slow: str, delay: float) -> None:
    with FakeDns(RECORDS, delay=0.2 if slow == "dns" else 0.0) as server:
        lookup = DnsLookup([server.address])
        lookups = both_kinds(lookup, delay)
        engine = Engine([Asker()], [mail(n) for n in range(8)])
        if face == "async":
            asyncio.run(adrive(engine, lookups, Deadline.after(10)))
        else:
            with ThreadPoolExecutor(4) as pool:
                drive(engine, lookups, Deadline.after(10), pool)
        assert seen(engine) == [f"found clean {'found' if n % 2 == 0 else 'not found'}" for n in range(8)]
        assert len(server.asked) == 9
    idle(lookup)


@pytest.mark.parametrize("face", ["blocking", "async"])
def test_the_deadline_ends_all_of_it(face: str) -> None:
    with FakeDns(failures={"test": "timeout"}) as server:
        lookup = DnsLookup([server.address])
        lookups = both_kinds(lookup)
        engine = Engine([Asker()], [mail(n) for n in range(3)])
        begun = time.monotonic()
        if face == "async":
            asyncio.run(adrive(engine, lookups, Deadline.after(0.5)))
        else:
            with ThreadPoolExecutor(4) as pool:
                drive(engine, lookups, Deadline.after(0.5), pool)
        assert 0.5 <= time.monotonic() - begun < 0.8
        assert seen(engine) == ["timeout clean timeout"] * 3
    idle(lookup)


def test_a_mail_whose_task_is_cancelled_asks_no_more() -> None:
    with FakeDns(failures={"test": "timeout"}) as server:
        lookup = DnsLookup([server.address], patience=0.1)

        async def cancelled() -> None:
            engine = Engine([Asker()], [mail(1)])
            lookups = both_kinds(lookup)
            task = asyncio.ensure_future(adrive(engine, lookups, Deadline.after(9)))
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            idle(lookup)

        asyncio.run(cancelled())
        asked = len(server.asked)
        time.sleep(0.2)
        assert len(server.asked) == asked


def test_hundreds_of_mails_in_flight_on_one_loop() -> None:
    with FakeDns(RECORDS) as server:
        lookup = DnsLookup([server.address])
        lookups = both_kinds(lookup)

        async def one(number: int) -> list[str]:
            engine = Engine([Asker()], [mail(number)])
            await adrive(engine, lookups, Deadline.after(20))
            return seen(engine)

        async def everything() -> list[list[str]]:
            return await asyncio.gather(*(one(number) for number in range(400)))

        answers = asyncio.run(everything())
        assert answers == [[f"found clean {'found' if n % 2 == 0 else 'not found'}"] for n in range(400)]
        assert len(server.asked) == 401
    idle(lookup)
