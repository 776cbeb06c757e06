"""What clamd says and what it is told, without a socket: addresses, INSTREAM framing, the reply reader.

The one rule here: ``CLEAN`` comes out only where clamd itself wrote ``stream: OK`` and ended that line.  A
connection that closes, a reply that is cut short, an unknown text or two replies that disagree are all something
else.  See `docs/decisions/0002-clamd-client.md`; the protocol is in clamd(8).
"""

from __future__ import annotations

import ipaddress
import os.path
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import SettingError
from . import ScanAnswer, ScanState

CHUNK = 65_536
"""Bytes per INSTREAM chunk."""
MAX_REPLY = 65_536
"""More than this is no reply to one scan."""

_LIMITS = "Heuristics.Limits.Exceeded"
_ENCRYPTED = "Heuristics.Encrypted."
_PHISHING = "Heuristics.Phishing."
_UNWANTED = "PUA."
_SIZE_LIMIT = b"INSTREAM size limit exceeded. ERROR"
_STREAM = b"stream: "
_FOUND = b" FOUND"
_ERROR = b" ERROR"


@dataclass(frozen=True, slots=True)
class ScannerAddress:
    """Where a clamd listens: a unix socket's path, or host and port.

    ``literal``  whether the host is an address, so that no name has to be looked up.
    """

    path: str = ""
    host: str = ""
    port: int = 0
    literal: bool = True

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"tcp:[{self.host}]:{self.port}" if ":" in self.host else f"tcp:{self.host}:{self.port}"


def parse_scanner_address(text: str, source: str = "clamd") -> ScannerAddress:
    """Read ``unix:/path``, ``tcp:host:port``, ``tcp:[::1]:3310``; the scheme may be left out.

    Raises `SettingError` naming ``source``, the text and what is allowed.
    """
    if text.startswith(("unix:", "/")):
        path = text.removeprefix("unix:")
        if os.path.isabs(path) and "\0" not in path:
            return ScannerAddress(path=path)
    else:
        host, _, port = text.removeprefix("tcp:").rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        host = host[1:-1] if bracketed else host
        if host and (bracketed or ":" not in host) and port.isascii() and port.isdigit() and 0 < int(port) < 65_536:
            return ScannerAddress(host=host, port=int(port), literal=_is_literal(host))
    allowed = 'allowed are "unix:/absolute/path", "tcp:host:port" and "tcp:[::1]:port"'
    raise SettingError(source, (f"{text!r} is no address of a scanner; {allowed}",))


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def instream(data: bytes) -> Iterator[bytes]:
    """The bytes of one INSTREAM command, in pieces of about `CHUNK`: command, chunks with lengths, terminator.

    No chunk has the length 0 but the last: an empty mail is sent as the terminator alone.
    """
    piece = b"zINSTREAM\0"
    view = memoryview(data)
    for start in range(0, len(data), CHUNK):
        chunk = view[start : start + CHUNK]
        piece += struct.pack("!L", len(chunk)) + chunk
        if start + CHUNK < len(data):
            yield piece
            piece = b""
    yield piece + b"\0\0\0\0"


class ReplyReader:
    """Collects a reply in whatever pieces it arrives and judges it at the end."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next bytes; what is beyond `MAX_REPLY` is counted as a fault and not kept."""
        self._data += data[: MAX_REPLY + 1 - len(self._data)]

    @property
    def complete(self) -> bool:
        """Whether a whole line, or more than any reply holds, is in."""
        return b"\0" in self._data or b"\n" in self._data or len(self._data) > MAX_REPLY

    def answer(self, fault: str = "the connection was closed") -> ScanAnswer:
        """The verdict on what was read until the connection ended for the reason ``fault``."""
        return read_reply(bytes(self._data), fault)


def read_reply(data: bytes, fault: str = "the connection was closed") -> ScanAnswer:
    """Judge all bytes that came back for one INSTREAM.  Never raises; ``CLEAN`` only as the module says.

    ``fault`` is why nothing more came, for the detail of an answer that is no verdict.
    """
    if len(data) > MAX_REPLY:
        return ScanAnswer(ScanState.SCANNER_ERROR, detail=f"a reply of more than {MAX_REPLY} bytes")
    *lines, rest = data.replace(b"\n", b"\0").split(b"\0")
    judged = [_judge(line) for line in lines if line.strip()]
    if rest.strip():
        judged.append(_judge_cut(rest, fault))
    if not judged:
        return ScanAnswer(ScanState.UNAVAILABLE, detail=f"no verdict: {fault}", lost=True)
    return judged[0] if len(judged) == 1 else _merge(judged)


def _judge(line: bytes) -> ScanAnswer:
    """One whole line."""
    line = line.removesuffix(b"\r")
    if line == b"stream: OK":
        return ScanAnswer(ScanState.CLEAN)
    if line == _SIZE_LIMIT:
        return ScanAnswer(ScanState.TOO_LARGE, detail="beyond the scanner's StreamMaxLength")
    if line.startswith(_STREAM) and line.endswith(_FOUND) and len(line) > len(_STREAM) + len(_FOUND):
        return _found(_text(line[len(_STREAM) : -len(_FOUND)]))
    if line.endswith(_ERROR):
        return ScanAnswer(ScanState.SCANNER_ERROR, detail=_text(line.removesuffix(_ERROR).removeprefix(_STREAM)))
    return ScanAnswer(ScanState.SCANNER_ERROR, detail=f"an unknown reply: {_text(line)}")


def _judge_cut(rest: bytes, fault: str) -> ScanAnswer:
    """A line whose end never came.  What it found already counts; that it is clean does not."""
    judged = _judge(rest)
    if judged.state is ScanState.CLEAN or judged.detail.startswith("an unknown reply"):
        detail = f"no verdict: {fault} within the reply {_text(rest)!r}"
        return ScanAnswer(ScanState.UNAVAILABLE, detail=detail, lost=True)
    return judged


def _found(name: str) -> ScanAnswer:
    """A FOUND line; clamd reports its own limits and what it cannot open in the same form as malware."""
    if name.startswith(_LIMITS):
        return ScanAnswer(ScanState.LIMITS_EXCEEDED, (name,))
    if name.startswith(_ENCRYPTED):
        return ScanAnswer(ScanState.ENCRYPTED, (name,))
    if name.startswith(_UNWANTED):
        return ScanAnswer(ScanState.UNWANTED, (name,))
    if name.startswith(_PHISHING):
        return ScanAnswer(ScanState.PHISHING, (name,))
    return ScanAnswer(ScanState.INFECTED, (name,))


def _merge(judged: list[ScanAnswer]) -> ScanAnswer:
    """Several lines where one is due: malware counts, anything else is a scanner that cannot be believed."""
    infected = [answer for answer in judged if answer.state is ScanState.INFECTED]
    if infected:
        names = tuple(dict.fromkeys(name for answer in infected for name in answer.names))
        return ScanAnswer(ScanState.INFECTED, names, detail=f"{len(judged)} replies to one scan")
    states = ", ".join(answer.state.value for answer in judged[:5])
    return ScanAnswer(ScanState.SCANNER_ERROR, detail=f"{len(judged)} replies to one scan: {states}")


def _text(data: bytes) -> str:
    """Readable text of bytes that need not be UTF-8, cut to what a person reads."""
    return data.decode("utf-8", "backslashreplace").strip()[:300]
