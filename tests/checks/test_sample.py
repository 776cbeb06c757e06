"""The local checks on the sample corpus: wanted mail stays far from any limit, unwanted mail is not passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailfilter.archives import ArchivedMail, read_archive
from mailfilter.checks import Mail
from mailfilter.checks.attachments import AttachmentCheck
from mailfilter.checks.headers import HeaderCheck
from mailfilter.checks.links import LinkCheck
from mailfilter.checks.sender import SenderCheck
from mailfilter.checks.structure import StructureCheck
from mailfilter.envelope import Envelope
from mailfilter.message import Message

CHECKS = (HeaderCheck(), SenderCheck(), StructureCheck(), LinkCheck(), AttachmentCheck())
POINTS = {info.name: info.points for check in CHECKS for info in check.symbols}
SAMPLE = [
    item
    for item in read_archive(Path(__file__).parents[2] / "corpora" / "sample")
    if isinstance(item, ArchivedMail) and item.label
]


def points(mail: ArchivedMail) -> dict[str, float]:
    batch = [Mail(Message(mail.raw), Envelope())]
    return {symbol.name: POINTS[symbol.name] for check in CHECKS for symbol in check.run(batch)[0]}


@pytest.mark.parametrize("mail", [m for m in SAMPLE if m.label == "ham"], ids=lambda mail: Path(mail.path).stem)
def test_wanted_mail_stays_below_one_point(mail):
    found = points(mail)
    assert sum(found.values()) < 1, found


def test_every_second_unwanted_mail_gives_a_finding():
    spam = [mail for mail in SAMPLE if mail.label == "spam"]
    assert sum(bool(points(mail)) for mail in spam) >= len(spam) / 2
