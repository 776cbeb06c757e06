"""The fit of the shipped points: what it may move and what not, and that the catalogue is what it wrote."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

import numpy as np
import pytest

from benchmarks import points
from benchmarks.opinions import Opinions, Recalled, opinions
from mailfilter.errors import MailFilterError
from mailfilter.message import Message
from mailfilter.symbols import shipped_catalogue
from tests.benchmarks.conftest import mail, write_corpus

PRIORS = tomllib.loads((points.RULES / "priors.toml").read_text("utf-8"))
REACH = 1.5


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three corpora of 40 mails each, all easy."""
    folder = tmp_path_factory.mktemp("kinds")
    found = []
    for number, name in enumerate(("one", "two", "three")):
        mails = [("spam" if n % 3 == 0 else "ham", mail(1000 * number + n, n % 3 == 0)) for n in range(40)]
        found.append(str(write_corpus(folder / name, mails)))
    return found


def test_the_catalogue_lies_within_reach_of_the_priors() -> None:
    shipped = {info.name: info for info in shipped_catalogue()}
    assert PRIORS.keys() <= shipped.keys()
    for name, prior in PRIORS.items():
        least, most = sorted((points.LEAST * prior, REACH * prior))
        assert least - 0.005 <= shipped[name].points <= most + 0.005, name


def test_every_rule_of_the_fitted_tables_has_a_prior() -> None:
    fitted = ("headers", "sender", "structure", "links", "attachments", "claims", "traps", "topics", "content")
    rules = {info.name for info in shipped_catalogue() if info.check in fitted and abs(info.points) > 0}
    assert {name for name in rules - PRIORS.keys() if not name.startswith("GTUBE")} == set()


def test_each_mail_is_judged_by_a_model_of_the_other_corpora(corpora: list[str], tmp_path: Path) -> None:
    said = opinions(corpora)
    assert said.names == ("one", "two", "three")
    assert len(said.digest) == 120
    assert len(set(zip(said.corpus.tolist(), said.fold.tolist(), strict=True))) == 3
    assert np.median(said.log_odds[said.spam]) > np.median(said.log_odds[~said.spam])
    said.save(tmp_path / "said.npz")
    again = Opinions.load(tmp_path / "said.npz")
    assert again.digest == said.digest
    assert again.log_odds.tolist() == said.log_odds.tolist()
    judged = Recalled(again).judge([Message(mail(0, True)), Message(b"Subject: never seen\n\nx")])
    place = said.digest.index(Message(mail(0, True)).digest)
    assert judged.log_odds.tolist() == [said.log_odds[place], 0.0]


def test_mails_of_every_corpus_are_left_out_where_the_place_is_known(corpora: list[str]) -> None:
    said = opinions(corpora, "mails")
    assert all(len(set(said.corpus[said.fold == fold].tolist())) > 1 for fold in np.unique(said.fold))


def test_rows_and_what_is_written(corpora: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("priors.toml", "catalogue.toml"):
        (tmp_path / name).write_text((points.RULES / name).read_text("utf-8"), "utf-8")
    monkeypatch.setattr(points, "RULES", tmp_path)
    args = argparse.Namespace(
        corpus=corpora, opinions=str(tmp_path / "said.npz"), quick=False, reach=2.0, cost_ham=10.0, alpha=1.0,
        balance=0.5, write=True,
    )  # fmt: skip
    prior, fitted, moved, written = points.run(args)
    assert prior["by_corpus"].keys() == fitted["by_corpus"].keys() == {"one", "two", "three"}
    table = tomllib.loads((tmp_path / "catalogue.toml").read_text("utf-8"))
    found = {name: entry["points"] for rules in table.values() for name, entry in rules.items()}
    before = {info.name: info.points for info in shipped_catalogue()}
    assert found.keys() == before.keys()
    for name, value in found.items():
        if name not in PRIORS:
            assert value == before[name]
        elif name.startswith("CONTENT_"):
            assert value == PRIORS[name]
    for name, (was, now) in moved["moved"].items():
        assert (was, now) == (PRIORS[name], found[name])
    assert written["symbols"] == len(PRIORS)
    assert [*points.run(args)][:3] == [prior, fitted, moved]


def test_one_kind_of_mail_is_not_enough(corpora: list[str]) -> None:
    with pytest.raises(MailFilterError, match="two kinds or more"):
        points._kinds(corpora[:1], _of(corpora[0]), None)


def _of(corpus: str) -> Opinions:
    said = opinions([corpus])
    return Opinions(said.names, said.digest, said.corpus, said.spam, said.fold * 0, said.log_odds, said.support, 1.0)
