"""Law 9: what is taken out can be put back, what is left is byte for byte what was sent."""

from __future__ import annotations

import base64
import hashlib
import io
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter import Config, Envelope, FilterChain
from mailfilter.checks.attachments import AttachmentCheck
from mailfilter.checks.virus import VirusCheck
from mailfilter.cli import main
from mailfilter.deadline import Deadline
from mailfilter.decision import Action, Reason
from mailfilter.disarm import disarm
from mailfilter.errors import SettingError
from mailfilter.lookups import ScanAnswer, ScanQuestion, ScanState
from mailfilter.message import Message, Part
from mailfilter.quarantine import Quarantine

from .servers import EICAR, Clamd
from .strategies import mails, mutated_mails

BAD = b"BAD-CONTENT"
HERE = Envelope(mail_from="a@example.net", rcpt_to=["b@example.org"])


class Scanner:
    """Finds ``BAD`` in bytes as they are, and in base64 as a mail holds it."""

    kind = ScanQuestion

    def ask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
        bad = BAD in question.data or base64.b64encode(BAD)[:12] in question.data
        return ScanAnswer(ScanState.INFECTED, ("Test.Bad",)) if bad else ScanAnswer(ScanState.CLEAN)

    async def aask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
        return self.ask(question, deadline)

    def close(self) -> None:
        pass


def mail_with(*files: tuple[str, bytes], text: str = "see the files\n") -> bytes:
    mail = EmailMessage()
    mail["Subject"] = "files"
    mail["DKIM-Signature"] = "v=1; d=example.net; s=s; h=subject; bh=; b="
    mail.set_content(text)
    for name, data in files:
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


@pytest.fixture
def chain(tmp_path: Path) -> FilterChain:
    config = Config.from_mapping(
        {"virus": {"on_infected": "disarm"}, "attachments": {"banned": [".reg"], "on_banned": "disarm"},
         "quarantine": {"path": str(tmp_path / "q.db")}, "greylist": {"store": "off"}}
    )  # fmt: skip
    checks = [VirusCheck(), AttachmentCheck([".reg"])]
    return FilterChain(config, checks=checks, lookups=[Plain()])


def leaves(raw: bytes) -> list[Part]:
    return [part for part in Message(raw).parts if not part.is_container]


def bodies(raw: bytes) -> list[bytes]:
    """Headers and body of every leaf, as they stand in the mail."""
    message = Message(raw)
    return [message.raw[p.header_span[0] : p.span[1]] for p in leaves(raw) if p.header_span and p.span]


def test_the_infected_part_goes_and_the_rest_is_delivered(chain: FilterChain) -> None:
    raw = mail_with(("good.bin", b"good" * 100), ("bad.exe", BAD), ("more.bin", b"more" * 100))
    verdict = chain.check(raw, HERE)
    assert (verdict.action, verdict.disarm) == (Action.QUARANTINE, True)
    done = chain.act(raw, HERE, verdict)
    assert (done.action, done.reason) == (Action.ACCEPT, Reason.MALWARE)
    assert [(item.path, item.name, item.size) for item in done.removed] == [("3", "bad.exe", len(BAD))]
    assert BAD not in b"".join(part.data for part in leaves(done.replacement))
    kept, sent = bodies(done.replacement), bodies(raw)
    assert (kept[0], kept[1], kept[3]) == (sent[0], sent[1], sent[3])
    text = leaves(done.replacement)[2].text
    assert "'bad.exe', 11 bytes" in text
    assert "Test.Bad" in text
    assert done.receipt in text
    assert "Accepted without parts" in str(done.smtp_reply)


def test_headers_say_what_happened_and_a_sender_cannot(chain: FilterChain) -> None:
    raw = b"X-Mailfilter-Disarmed: forged\n" + mail_with(("bad.exe", BAD))
    done = chain.act(raw, HERE, chain.check(raw, HERE))
    delivered = Message(chain.rewrite(raw, done))
    assert delivered.header_all("X-Mailfilter-Disarmed") == (f"parts=2; receipt={done.receipt}",)
    assert "broken by the removal (DKIM" in delivered.header("X-Mailfilter-Signatures")
    assert delivered.header("DKIM-Signature").startswith("v=1; d=example.net")
    assert done.to_dict()["removed"][0]["name"] == "bad.exe"


def test_the_original_comes_back(
    chain: FilterChain, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    raw = mail_with(("bad.exe", BAD)).replace(b"\n", b"\r\n")
    done = chain.act(raw, HERE, chain.check(raw, HERE))
    assert [held.state for held in chain.quarantine.entries()] == ["disarmed"]  # type: ignore[union-attr]
    chain.close()
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[quarantine]\npath = "{tmp_path}/q.db"\n')
    assert main(["quarantine", "restore", done.receipt, "--config", str(settings)]) == 0
    sys.stdout.flush()
    assert capsysbinary.readouterr().out == raw
    store = Quarantine(str(tmp_path / "q.db"))
    assert [held.state for held in store.entries()] == ["restored"]
    store.close()


def test_a_banned_attachment_goes_too(chain: FilterChain) -> None:
    raw = mail_with(("a.reg", b"regedit"), ("b.bin", b"good"))
    done = chain.act(raw, HERE, chain.check(raw, HERE))
    assert (done.action, done.reason) == (Action.ACCEPT, Reason.NOT_WANTED)
    assert [item.name for item in done.removed] == ["a.reg"]


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: x\nX-Odd : y\nContent-Type: application/octet-stream; name=a.exe\nTo: b\n\n" + BAD,
        b"Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(BAD),
        b"Subject: x\n\nhere\n\nbegin 644 f.bin\n+0D%$+4-/3E1%3E0 \n \nend\n",
        mail_with(("f.eml", b"Subject: inner\nFrom: c\nContent-Type: text/plain\n\n" + BAD)).replace(
            b"application/octet-stream", b"message/rfc822"),
        b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n" + BAD + b"\n--b\n\nhello\n--b--\nend " + BAD,
        b"From a@example.net Mon\n" + mail_with(("a.exe", BAD)),
        b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\n\n" + BAD,
    ],
    ids=["the mail itself", "in base64", "uuencoded", "in a message", "outside of parts", "mbox", "no end"],
)  # fmt: skip
def test_wherever_it_lies_it_goes_or_the_mail_is_held(chain: FilterChain, raw: bytes) -> None:
    verdict = chain.check(raw, HERE)
    assert verdict.disarm
    done = chain.act(raw, HERE, verdict)
    assert done.action is Action.ACCEPT
    assert not any(BAD in part.data for part in Message(done.replacement).parts)
    assert chain.check(done.replacement, HERE).action is Action.ACCEPT
    assert Message(done.replacement).header("Subject") == "x" or Message(done.replacement).subject == "files"
    assert chain.quarantine.get(done.receipt) == raw  # type: ignore[union-attr]


def test_a_mail_that_is_not_read_as_it_stands_is_held(chain: FilterChain) -> None:
    for raw in (b"\xef\xbb\xbf" + mail_with(("a.exe", BAD)), b"Subject: \0x\n\n" + BAD):
        done = chain.act(raw, HERE, chain.check(raw, HERE))
        assert done.receipt
        assert done.action is Action.QUARANTINE or BAD not in done.replacement


def test_what_only_the_whole_mail_shows_stays_held(tmp_path: Path) -> None:
    raw = mail_with(("a.bin", b"one"), ("b.bin", b"two"))

    class OnlyWhole(Scanner):
        def ask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
            return ScanAnswer(ScanState.INFECTED if question.data == raw else ScanState.CLEAN)

    table = {"virus": {"on_infected": "disarm"}, "quarantine": {"path": str(tmp_path / "q.db")}}
    with FilterChain(Config.from_mapping(table), checks=[VirusCheck()], lookups=[OnlyWhole()]) as chain:
        done = chain.act(raw, HERE, chain.check(raw, HERE))
        assert (done.action, done.replacement) == (Action.QUARANTINE, b"")
        assert chain.quarantine.get(done.receipt) == raw  # type: ignore[union-attr]


def test_a_scanner_that_dies_over_the_parts_leaves_the_mail_held(tmp_path: Path) -> None:
    raw = mail_with(("bad.exe", BAD))

    class Dies(Scanner):
        asked = 0

        def ask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
            Dies.asked += 1
            return super().ask(question, deadline) if Dies.asked <= 3 else ScanAnswer(ScanState.UNAVAILABLE)

    table = {"virus": {"on_infected": "disarm"}, "quarantine": {"path": str(tmp_path / "q.db")}}
    with FilterChain(Config.from_mapping(table), checks=[VirusCheck()], lookups=[Dies()]) as chain:
        done = chain.act(raw, HERE, chain.check(raw, HERE))
    assert Dies.asked > 3
    assert (done.action, done.replacement) == (Action.QUARANTINE, b"")


def test_a_part_within_a_forwarded_mail_goes_and_that_mail_stays(chain: FilterChain) -> None:
    inner, outer = EmailMessage(), EmailMessage()
    inner["Subject"] = "inner"
    inner.set_content("inner text")
    inner.add_attachment(BAD, maintype="application", subtype="octet-stream", filename="bad.exe")
    outer["Subject"] = "outer"
    outer.set_content("outer text")
    outer.add_attachment(inner)
    for raw in (outer.as_bytes(), _forwarded(b"Content-Type: application/x; name=bad.exe\nSubject: inner\n\n" + BAD)):
        done = chain.act(raw, HERE, chain.check(raw, HERE))
        assert done.action is Action.ACCEPT
        assert [item.name for item in done.removed] == ["bad.exe"]
        texts = [part.text for part in leaves(done.replacement)]
        assert texts[0].strip() == "outer text"
        assert BAD not in done.replacement
        assert b"Subject: inner" in done.replacement
        assert "receipt" in texts[-1]


def _forwarded(inner: bytes) -> bytes:
    head = b"Subject: outer\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nouter text\n"
    return head + b"--b\nContent-Type: message/rfc822\n\n" + inner + b"\n--b--\n"


def test_a_rule_decides_for_whom_it_is_done(tmp_path: Path) -> None:
    rules = [{"recipients": ["example.org"], "virus": {"on_infected": "disarm"}}]
    table = {"policy": {"rules": rules}, "quarantine": {"path": str(tmp_path / "q.db")}}
    raw = mail_with(("bad.exe", BAD))
    with FilterChain(Config.from_mapping(table), checks=[VirusCheck()], lookups=[Plain()]) as chain:
        elsewhere = Envelope(rcpt_to=["b@example.com"])
        assert chain.act(raw, HERE, chain.check(raw, HERE)).action is Action.ACCEPT
        assert chain.act(raw, elsewhere, chain.check(raw, elsewhere)).action is Action.QUARANTINE


@pytest.mark.server
def test_an_encrypted_part_is_taken_out_if_that_is_wanted(clamd: Clamd, tmp_path: Path) -> None:
    import zipfile

    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.txt", b"secret")
    data = bytearray(target.getvalue())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    raw = mail_with(("closed.zip", bytes(data)), ("open.txt", b"open"))
    virus = {"clamd": [clamd.unix], "on_encrypted": "disarm"}
    table = {"virus": virus, "quarantine": {"path": str(tmp_path / "q.db")}}
    with FilterChain(Config.from_mapping(table), checks=[VirusCheck(), AttachmentCheck()]) as chain:
        done = chain.act(raw, HERE, chain.check(raw, HERE))
    assert (done.action, [item.name for item in done.removed]) == (Action.ACCEPT, ["closed.zip"])
    assert "could not look into it: encrypted" in done.removed[0].why


def test_disarming_needs_a_place_for_the_originals() -> None:
    with pytest.raises(SettingError, match=r"\[quarantine\] path"):
        FilterChain(Config.from_mapping({"virus": {"on_infected": "disarm"}}), checks=[])
    FilterChain(Config.from_mapping({"virus": {"on_infected": "disarm"}}), checks=[], stateless=True)


@settings(max_examples=150, deadline=None)
@given(st.one_of(mails(), mutated_mails(), st.binary(max_size=300)), st.data())
def test_9_untouched_parts_are_what_was_sent(raw: bytes, data: st.DataObject) -> None:
    """Whatever the mail and whichever part: cutting the notices out again and the originals in gives the mail."""
    message = Message(raw)
    parts = [part for part in message.parts if not part.is_container]
    doomed = data.draw(st.lists(st.sampled_from(parts), max_size=3, unique_by=id)) if parts else []
    result = disarm(message, [(part, "because") for part in doomed], "receipt")
    if result is None:
        return
    assert {item.digest for item in result.removed} >= {hashlib.sha256(p.data).hexdigest() for p in doomed}
    spans = sorted((p.header_span[0], p.span[1]) for p in doomed if p.span and p.header_span)
    if len(spans) != len(doomed):
        return
    at, rest = 0, result.raw
    for start, end in spans:  # what lies between the cuts is there, in its order
        if start > at:
            piece = message.raw[at:start]
            assert piece in rest
            rest = rest[rest.index(piece) + len(piece) :]
        at = max(at, end)
    assert rest.endswith(message.raw[at:])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=60)), min_size=1, max_size=5), st.booleans())
def test_9_disarmed_and_receipt_give_the_original(files: list[tuple[bool, bytes]], crlf: bool) -> None:
    raw = mail_with(*((f"f{n}.bin", data + BAD if bad else data) for n, (bad, data) in enumerate(files)))
    raw = raw.replace(b"\n", b"\r\n") if crlf else raw
    config = Config.from_mapping({"virus": {"on_infected": "disarm"}})
    store = Quarantine(":memory:")
    with FilterChain(config, checks=[VirusCheck()], lookups=[Plain()], quarantine=store) as chain:
        verdict = chain.check(raw, HERE)
        done = chain.act(raw, HERE, verdict)
        assert verdict.disarm == any(bad for bad, _ in files)
        if not verdict.disarm:
            return
        assert store.restore(done.receipt) == raw
        assert done.action is Action.ACCEPT
        kept, sent = bodies(done.replacement), bodies(raw)
        good = [0, *(number for number, (bad, _) in enumerate(files, 1) if not bad)]
        assert [kept[number] for number in good] == [sent[number] for number in good]


class Plain(Scanner):
    """Looks into the parts of a mail itself."""

    def ask(self, question: ScanQuestion, deadline: Deadline) -> ScanAnswer:
        bad = any(BAD in part.data for part in Message(question.data).parts) or BAD in question.data
        return ScanAnswer(ScanState.INFECTED, ("Test.Bad",)) if bad else ScanAnswer(ScanState.CLEAN)


@pytest.mark.server
def test_with_a_real_scanner(clamd: Clamd, tmp_path: Path) -> None:
    import zipfile

    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.com", EICAR)
    raw = mail_with(("good.bin", b"good" * 100), ("bad.zip", target.getvalue()))
    table = {"virus": {"clamd": [clamd.unix], "on_infected": "disarm"}, "quarantine": {"path": str(tmp_path / "q.db")}}
    with FilterChain(Config.from_mapping(table), checks=[VirusCheck()]) as chain:
        done = chain.act(raw, HERE, chain.check(raw, HERE))
        assert done.action is Action.ACCEPT
        assert [item.name for item in done.removed] == ["bad.zip"]
        assert chain.check(done.replacement, HERE).action is Action.ACCEPT
