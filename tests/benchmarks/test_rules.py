"""The hit table of the local rules: every declared symbol has a row, and rates are of the labelled mails."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from benchmarks import rules
from benchmarks.__main__ import main
from mailfilter.errors import ArchiveError


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three ham, two spam, one without a label; one spam and one ham shout."""
    mails = {
        "ham/1": "Subject: hello", "ham/2": "Subject: hello", "ham/3": "Subject: MINUTES OF THE MEETING",
        "spam/1": "Subject: MAKE MONEY NOW", "spam/2": "Subject: hello", "none/1": "Subject: MAKE MONEY NOW",
    }  # fmt: skip
    for name, subject in mails.items():
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"From: a@example.net\n{subject}\n\ntext\n")
    index = "".join(f"{name.partition('/')[0]} data/{name}\n" for name in mails)
    (tmp_path / "index").write_text(index)
    return tmp_path


def run(*corpora: str) -> list[dict[str, object]]:
    return list(
        rules.run(
            argparse.Namespace(
                corpus=list(corpora),
                quick=False,
                by_corpus=True,
                rounds=1,
                without=False,
                rules=[],
                against_spamassassin=False,
            )
        )
    )


def test_rows(corpus: Path) -> None:
    summary, *rows = run(str(corpus))
    assert (summary["mails"], summary["ham"], summary["spam"]) == (5, 3, 2)
    assert [row["symbol"] for row in rows] == [info.name for make in rules.CHECKS for info in make().symbols]
    shouts = next(row for row in rows if row["symbol"] == "SUBJECT_SHOUTS")
    assert (shouts["ham_hits"], shouts["spam_hits"]) == (1, 1)
    assert (shouts["ham_rate"], shouts["spam_rate"], shouts["s_o"]) == (33.333, 50.0, 0.6)
    assert shouts["by_corpus"] == {f"{corpus.name}/ham": 1, f"{corpus.name}/spam": 1}
    never = next(row for row in rows if row["symbol"] == "GTUBE")
    assert (never["ham_hits"], never["spam_hits"], never["s_o"]) == (0, 0, None)


def test_corpora_are_added_up(corpus: Path) -> None:
    assert run(str(corpus), str(corpus))[0]["mails"] == 10


def test_without_a_corpus_there_is_nothing_to_count() -> None:
    with pytest.raises(ArchiveError, match="name at least one corpus"):
        run()


def test_what_the_chain_would_miss_without_each_rule(tmp_path: Path) -> None:
    gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
    (tmp_path / "data").mkdir()
    for name, body in (("1", "hello"), ("2", gtube), ("3", "hello")):
        (tmp_path / "data" / name).write_text(f"From: a@example.net\nSubject: hello\n\n{body}\n")
    (tmp_path / "index").write_text("ham data/1\nspam data/2\nspam data/3\n")
    whole, *rows = rules.without([str(tmp_path)])
    assert (whole["ham"], whole["spam"], whole["fp"], whole["fn"]) == (1, 2, 0, 1)
    by_name = {row.get("without_rule") or row.get("without_check"): row for row in rows}
    assert (by_name["GTUBE"]["fn_more"], by_name["GTUBE"]["spam_hits"], by_name["GTUBE"]["ham_hits"]) == (1, 1, 0)
    assert by_name["structure"]["fn_more"] == 1
    assert by_name["DATE_MISSING"]["fn_more"] == 0
    assert "without_check" in rows[0]
    assert "without_rule" in rows[-1]


def test_rule_files_are_handed_to_the_other_benchmark(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = corpus / "own.cf"
    own.write_text("header SHOUTS Subject =~ /MONEY/\nbody OTHER /text/\nbody AT_LOSS eval:nobody_knows()\n")
    assert main(["rules", "--rules", str(own), "--corpus", str(corpus), "--slow"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["benchmark"], row["rules"], row["unsupported"], row["mails"]) == ("cf-rules", 3, 0, 6)
    assert row["us_per_mail"] > 0
