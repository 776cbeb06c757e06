"""The sample that we wrote: whole, labelled, varied, and without a word of anybody's."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from email import message_from_bytes
from email.message import Message as StdlibMessage
from pathlib import Path

import pytest

from mailfilter.archives import ArchivedMail, read_archive
from mailfilter.message import Message

SAMPLE = Path(__file__).parents[2] / "corpora" / "sample"
ITEMS = list(read_archive(SAMPLE))
MAILS = [item for item in ITEMS if isinstance(item, ArchivedMail)]
NAMES = [mail.path.rpartition("/")[2] for mail in MAILS]

# Names and numbers that belong to nobody: RFC 2606, RFC 6761; RFC 5737, RFC 3849, and loopback.
RESERVED_NAME = re.compile(r"(?:.+\.)?(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)\.?", re.IGNORECASE)
RESERVED_NETS = [
    ipaddress.ip_network(net)
    for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "127.0.0.0/8", "2001:db8::/32", "::1/128")
]
HOST = re.compile(
    r"""(?: @ | ://(?:[^\s/@"'<>]*@)? | \bwww\. | (?:\b(?:from|by)|helo=)\s+ ) \[?
        ( [a-z0-9-]+ (?:\.[a-z0-9-]+)+ )""",
    re.VERBOSE | re.IGNORECASE,
)
ADDRESS = re.compile(r"[\[(](?:IPv6:)?([0-9a-f:.]{7,45})[\])]", re.IGNORECASE)


def decoded(raw: bytes) -> str:
    """The bytes as they are, and every text in them decoded by the standard library."""
    texts = [raw.decode("latin-1")] if b"quoted-printable" not in raw else []
    message: StdlibMessage = message_from_bytes(raw)
    for part in message.walk():
        texts += (f"{name}: {value}" for name, value in part.items())
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            texts.append(payload.decode("latin-1"))
    return "\n".join(texts)


def reserved(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return RESERVED_NAME.fullmatch(host) is not None
    return any(address in net for net in RESERVED_NETS)


def test_everything_listed_is_there_and_nothing_else() -> None:
    assert MAILS == ITEMS
    assert [mail.line for mail in MAILS] == list(range(1, len(MAILS) + 1))
    assert len(set(NAMES)) == len(NAMES)
    labels = Counter(mail.label for mail in MAILS)
    assert len(MAILS) == 82
    assert labels == {"ham": 38, "spam": 29, None: 15}


def test_both_halves_of_the_usual_split_hold_both_classes() -> None:
    for remainder in (0, 1):
        labels = Counter(mail.label for mail in MAILS if mail.line is not None and mail.line % 2 == remainder)
        assert min(labels["ham"], labels["spam"]) >= 10


@pytest.mark.parametrize("mail", MAILS, ids=NAMES)
def test_hosts_and_addresses_belong_to_nobody(mail: ArchivedMail) -> None:
    text = decoded(mail.raw)
    hosts = set(HOST.findall(text)) | {host for host in ADDRESS.findall(text) if _is_address(host)}
    assert {host for host in hosts if not reserved(host)} == set()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def test_the_test_of_hosts_would_find_a_real_one() -> None:
    for text in ("a@real-bank.com", "http://x.org/", "Received: from mx.google.com ([8.8.8.8])", "www.site.de"):
        found = set(HOST.findall(text)) | set(ADDRESS.findall(text))
        assert found
        assert not all(reserved(host) for host in found)


@pytest.mark.parametrize("mail", MAILS, ids=NAMES)
def test_each_mail_is_read_and_the_whole_ones_have_what_a_mail_has(mail: ArchivedMail) -> None:
    message = Message(mail.raw)
    assert isinstance(message.subject, str)
    if mail.label is not None:
        for name in ("From", "To", "Date", "Message-ID", "Subject", "Received"):
            assert message.header(name), name
        assert any(text.visible.strip() for text in message.texts) or message.attachments
        assert "\ufffd" not in message.subject


def test_the_languages_come_out_as_written() -> None:
    texts = {
        name: " ".join([message.subject, *(text.visible for text in message.texts)])
        for name, message in ((name, Message(mail.raw)) for name, mail in zip(NAMES, MAILS, strict=True))
    }
    for name, words in {
        "german-invoice-pdf.eml": "Drehtüren",
        "french-personal-photo.eml": "Élodie",
        "spanish-neighbours.eml": "¿Cuántas",
        "russian-seminar-koi8.eml": "Программа семинара",
        "japanese-quotation-jis.eml": "お見積りの件",
        "chinese-student-gb2312.eml": "数据整理与请假",
        "arabic-family.eml": "الوصول يوم الخميس",
        "turkish-appointment.eml": "Şebnem Öztürk",
    }.items():
        assert words in texts[name], name


def test_what_some_mails_are_there_for() -> None:
    by_name = dict(zip(NAMES, MAILS, strict=True))
    assert by_name["odd-empty.eml"].raw == b""
    assert b"\n" not in by_name["odd-bare-cr.eml"].raw
    assert by_name["club-circular-mbox-line.eml"].raw.startswith(b"From ")
    assert sum(b"\r\n" in mail.raw for mail in MAILS) >= 8, "line ends of both kinds survive the repository"
    # Scanners would quarantine a checkout that has the test string in the open.
    test_string = b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE"
    assert not any(test_string in mail.raw for mail in MAILS)
    (attachment,) = Message(by_name["antivirus-test-string.eml"].raw).attachments
    assert test_string in attachment.data
    assert len(attachment.data) == 68
