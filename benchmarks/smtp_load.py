"""Clients and a next server for the benchmark of SMTP, in a process of their own; both do as little as they can."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection

from mailfilter.mta.wire import dotted


@contextmanager
def running(raws: Sequence[bytes], clients: int, per_connection: int) -> Iterator[tuple[Connection, int]]:
    """The process, and the next server's port: send it a port to load, and it sends back what its clients saw."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(theirs, list(raws), clients, per_connection), daemon=True)
    process.start()
    try:
        yield ours, ours.recv()
        ours.send(None)
        process.join(10)
    finally:
        process.kill()


def _main(pipe: Connection, raws: list[bytes], clients: int, per_connection: int) -> None:
    asyncio.run(_serve(pipe, [dotted(raw) for raw in raws], clients, per_connection))


async def _serve(pipe: Connection, mails: list[bytes], clients: int, per_connection: int) -> None:
    server = await asyncio.start_server(_sink, "127.0.0.1", 0, limit=2**20)
    pipe.send(server.sockets[0].getsockname()[1])
    while (port := await asyncio.to_thread(pipe.recv)) is not None:
        begun, waiting = time.process_time(), list(enumerate(mails))
        seconds: list[float] = []
        answers: Counter[str] = Counter()
        jobs = [_client(port, waiting, per_connection, seconds, answers) for _ in range(clients)]
        await asyncio.gather(*jobs)
        pipe.send({"seconds": seconds, "answers": dict(answers), "cpu": time.process_time() - begun})


async def _client(
    port: int, waiting: list[tuple[int, bytes]], per_connection: int, seconds: list[float], answers: Counter[str]
) -> None:
    while waiting:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readline()
        await _say(reader, writer, b"EHLO client.example\r\n")
        for _ in range(per_connection):
            if not waiting:
                break
            number, data = waiting.pop()
            await _say(reader, writer, b"MAIL FROM:<a%d@example.net>\r\n" % number)
            await _say(reader, writer, b"RCPT TO:<b@example.org>\r\n")
            await _say(reader, writer, b"DATA\r\n")
            begun = time.perf_counter()
            answers[(await _say(reader, writer, data))[:3].decode()] += 1
            seconds.append(time.perf_counter() - begun)
        await _say(reader, writer, b"QUIT\r\n")
        writer.close()


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
    writer.write(line)
    while (reply := await reader.readline())[3:4] == b"-":
        pass
    return reply


async def _sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes everything."""
    writer.write(b"220 sink\r\n")
    try:
        while line := await reader.readline():
            if line[:4].upper() == b"DATA":
                writer.write(b"354 go\r\n")
                while not (await _chunk(reader)).endswith(b"\r\n.\r\n"):
                    pass
                writer.write(b"250 2.0.0 OK\r\n")
            elif line[:4].upper() == b"EHLO":
                writer.write(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            else:
                writer.write(b"221 2.0.0 Bye\r\n" if line[:4].upper() == b"QUIT" else b"250 2.0.0 OK\r\n")
    except (OSError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n.\r\n")
    except asyncio.LimitOverrunError as error:
        return await reader.readexactly(error.consumed)
