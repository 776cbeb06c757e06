"""mailfilter tune as a whole: limits within the budget, what rules are worth, settings that check reads, the report."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter import Config, FilterChain
from mailfilter.archives import ArchivedMail
from mailfilter.cli import main
from mailfilter.errors import MailFilterError
from mailfilter.rescoring import rescore
from mailfilter.tuning import Options, read, tune
from mailfilter.tuning.dataset import folds, importance
from mailfilter.tuning.limits import LOWEST, Rate, choose
from mailfilter.tuning.report import report
from mailfilter.tuning.settings import dump, settings

SETTINGS = {"checks": {"disable": ["content"]}}


def mails(count: int = 240) -> Iterator[ArchivedMail]:
    """Ham, some without a date; spam that shouts, pads its subject (always both) and often has no Message-ID."""
    random = np.random.default_rng(0)
    for number in range(count):
        spam = number % 3 == 0
        subject = b"BUY CHEAP PILLS NOW         X%d" % number if spam and random.random() < 0.9 else b"lunch"
        date = b"Date: Mon, 2 Nov 2026 10:00:00 +0000\n" if random.random() < (0.5 if spam else 0.8) else b""
        ident = b"Message-ID: <%d@example.org>\n" % number if random.random() < (0.3 if spam else 0.95) else b""
        raw = b"From: a@example.org\nTo: b@example.org\nSubject: %b\n%b%b\nmail %d\n" % (subject, date, ident, number)
        yield ArchivedMail(f"box#{number}", raw, "spam" if spam else "ham", number + 1)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small table from elsewhere: what pads its subject there is ham."""
    path = tmp_path_factory.mktemp("second") / "hits.npz"
    with FilterChain(Config.from_mapping(SETTINGS), stateless=True) as chain:
        turned = (
            ArchivedMail(mail.path, mail.raw + b"elsewhere\n", "ham" if mail.label == "spam" else "spam", mail.line)
            for mail in mails(30)
        )
        rescore(chain, turned, path)
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "hits.npz"
    with FilterChain(Config.from_mapping(SETTINGS), stateless=True) as chain:
        rescore(chain, mails(), path)
    return path


def test_limits_keep_within_the_budget_on_mail_left_out(table: Path) -> None:
    data = read([table])
    tuned = tune(data, Options(max_fp=0.02, max_delayed=0.1))
    ham = tuned.left_out[~data.spam]
    assert (ham >= tuned.limits.quarantine).mean() <= 0.02
    assert tuned.limits.ham_lost.errors == (ham >= tuned.limits.quarantine).sum()
    assert LOWEST <= tuned.limits.greylist <= tuned.limits.quarantine < tuned.limits.bounce
    assert tuned.limits.spam_missed.share < 0.2
    assert ham.max() < tuned.limits.bounce


def test_what_rules_are_worth(table: Path) -> None:
    tuned = tune(read([table]))
    rules = {rule.name: rule for rule in tuned.rules}
    shouts, padded = rules["SUBJECT_SHOUTS"], rules["SUBJECT_PADDED"]
    assert (shouts.ham, shouts.so) == (0, 1.0)
    assert shouts.spam == sum(b"PILLS" in item.raw for item in mails())
    assert shouts.loss > 0
    assert "redundant: 100 % of its hits are those of SUBJECT_SHOUTS" in (padded.note, shouts.note) or padded.note
    assert rules["ATTACH_EXECUTABLE"].note == "dead: never hits here"
    assert [rule.loss for rule in tuned.rules] == sorted((rule.loss for rule in tuned.rules), reverse=True)
    assert "CHECK_FAILED" not in rules
    assert "VIRUS_INFECTED" not in rules


def test_signs_ranges_and_test_strings_are_kept(table: Path) -> None:
    data = read([table])
    tuned = tune(data, Options(ranges={"SUBJECT_SHOUTS": (0.2, 0.4), "DATE_MISSING": (1.5, 1.5)}))
    points = dict(zip(data.names, tuned.points.tolist(), strict=True))
    assert 0.2 <= points["SUBJECT_SHOUTS"] <= 0.4
    assert points["DATE_MISSING"] == 1.5
    assert points["GTUBE"] == 1000
    assert (tuned.points * data.defaults >= 0).all()


def test_the_loss_without_a_rule_is_the_loss_without_its_points(table: Path) -> None:
    from mailfilter.tuning.worth import Judged, worth

    data = read([table])
    group = np.where(np.array(data.groups) == "headers", 0, -1)
    points, caps = np.array(data.defaults), np.array([1.0])
    weight = np.where(data.spam, 1.0, 50.0)
    fold = np.zeros(len(data.spam), np.int64)
    rules = worth(data, points, Judged(fold, points[None, :], group, caps, weight, 1.0, 2.0, 6.0))

    def loss(each: np.ndarray) -> float:
        inside = np.clip(data.x @ np.where(group == 0, each, 0), -1, 1) + data.x @ np.where(group < 0, each, 0)
        return float(weight @ np.logaddexp(0, np.where(data.spam, -1, 1) * (inside - 6.0))) / np.log(2)

    for rule in rules:
        without = points.copy()
        without[data.names.index(rule.name)] = 0
        assert rule.loss == pytest.approx(loss(without) - loss(points), abs=1e-6)


def test_the_settings_are_read_by_check_and_give_the_fitted_scores(table: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.toml"
    base.write_text('[checks]\ndisable = ["content"]\n[virus]\non_infected = "bounce"\n[scores]\nHTML_ONLY = 0.7\n')
    out = tmp_path / "tuned.toml"
    assert main(["tune", str(table), "--config", str(base), "--out", str(out), "--cap", "headers=5"]) == 0
    config = Config.from_file(out)
    assert config.virus.on_infected == "bounce"
    assert config.checks.disable == ("content",)
    assert config.groups == {"headers": 5.0}
    assert "HTML_ONLY" in config.scores
    data = read([table])
    tuned = tune(data, Options(scores={"HTML_ONLY": 0.7}, caps={"headers": 5.0}))
    tuned.estimator.coef_ = tuned.points
    with FilterChain(config, stateless=True) as chain:
        verdicts = list(chain.check_many(item.raw for item in mails()))
    assert np.allclose([verdict.score for verdict in verdicts], tuned.estimator.points(data.x), atol=0.005)
    assert {verdict.action.value for verdict in verdicts} >= {"accept", "quarantine"}


def test_the_report_is_well_formed_and_needs_nothing_else(table: Path) -> None:
    page = report(tune(read([table])), "<hits> & more")
    assert not re.search(r"(?:src|href|url|import|fetch|@import)\s*[=(]", page)
    assert "http" not in page
    assert "&lt;hits&gt; &amp; more" in page
    tree = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>").strip())
    assert [len(tree.findall(f".//{{*}}{name}")) for name in ("svg", "script", "input")] == [4, 2, 1]
    assert len(tree.findall(".//tbody/tr")) > 50
    HTMLParser().feed(page)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-fp", "1%", "--max-delayed", "0.1%"], "--max-delayed (0.001) is below --max-fp (0.01)"),
        (["--range", "SUBJECT_SHOUTS=3:1"], "--range SUBJECT_SHOUTS: 3 to 1 is no range of points"),
        (["--range", "NOPE=1:2"], "--range NOPE: no such symbol in the table"),
        (["--range", "VIRUS_INFECTED=1:2"], "--range VIRUS_INFECTED: malware, the unknown"),
        (["--cap", "nope=3"], "groups.nope: no such group"),
        (["--cap", "malware=3"], "groups.malware: malware outranks the score"),
        (["--folds", "1"], "--folds is from 2 to 80"),
        (["--cost-ham", "0"], "--cost-ham is from 0.001 to 1e+06, not 0"),
        (["--certain", "--max-fp", "0.1%"], "160 ham cannot show a loss of at most 0.1 %; 2995 could"),
        (["--out", "nowhere/tuned.toml"], "nowhere/tuned.toml: cannot be written: No such file"),
    ],
)
def test_a_users_error_is_one_line(
    table: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", str(table), *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_tables_that_cannot_be_tuned_are_one_line(table: Path, tmp_path: Path) -> None:
    with FilterChain(Config.from_mapping(SETTINGS), stateless=True) as chain:
        ham = [item for item in mails() if item.label == "ham"]
        rescore(chain, ham, tmp_path / "ham.npz")
        other = ArchivedMail("x", ham[0].raw, "spam")
        rescore(chain, [*ham, other], tmp_path / "both.npz")
    with pytest.raises(MailFilterError, match=r"ham\.npz: holds no spam"):
        read([tmp_path / "ham.npz"])
    with pytest.raises(MailFilterError, match="1 mails are labelled both ham and spam"):
        read([tmp_path / "both.npz"])
    with FilterChain(Config.from_mapping({"checks": {"disable": ["content", "links"]}}), stateless=True) as chain:
        rescore(chain, mails(9), tmp_path / "few.npz")
    with pytest.raises(MailFilterError, match="has other symbols than"):
        read([table, tmp_path / "few.npz"])
    assert read([table, table]).x.shape[0] == 480


def test_copies_of_a_mail_share_a_fold(table: Path) -> None:
    data = read([table, table])
    fold = folds(data, 5)
    assert np.array_equal(fold[:240], fold[240:])
    assert set(fold[data.spam].tolist()) == set(range(5))
    order = np.random.default_rng(0).permutation(480)
    assert np.array_equal(folds(data.rows(order), 5), fold[order])


scores = st.lists(st.floats(-20, 20).map(lambda score: round(score, 3)), min_size=1, max_size=60)


@given(scores, scores, st.floats(0, 0.5))
def test_a_limit_never_exceeds_its_budget(ham: list[float], spam: list[float], budget: float) -> None:
    labels = np.array([False] * len(ham) + [True] * len(spam))
    found = choose(np.array(ham + spam), labels, budget, min(2 * budget, 0.5))
    assert found.ham_lost.errors <= budget * len(ham) + 1e-6
    assert LOWEST <= found.greylist <= found.quarantine < found.bounce
    assert max(ham) < found.bounce


def test_intervals_are_clopper_and_pearsons() -> None:
    assert Rate(1, 2084).interval == pytest.approx((1.215e-5, 0.0026705), rel=1e-3)
    assert Rate(0, 100).upper == pytest.approx(1 - 0.05 ** (1 / 100))
    assert Rate(5, 5).upper == 1.0


values = st.recursive(
    st.booleans() | st.integers(-99, 99) | st.floats(-1e5, 1e5).map(lambda n: round(n, 3)) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=6), values, max_size=5))
def test_what_is_dumped_is_read_back(table: dict[str, object]) -> None:
    assert tomllib.loads(dump(table)) == table


def test_never_stays_never(table: Path) -> None:
    tuned = tune(read([table]))
    base = {"policy": {"greylist": "never", "bounce": "never", "delete": 1.0}}
    policy = tomllib.loads(settings(tuned, base))["policy"]
    assert (policy["greylist"], policy["bounce"]) == ("never", "never")
    assert policy["delete"] == tuned.limits.bounce


def test_settings_say_what_they_were_made_from(table: Path) -> None:
    text = settings(tune(read([table])), {}, "hits.npz")
    assert text.startswith("# made by `mailfilter tune` of hits.npz: 160 ham, 80 spam\n")


def test_a_small_table_weighs_as_much_as_a_large_one_when_tables_are_balanced(table: Path, second: Path) -> None:
    data = read([table, second])
    assert data.source.tolist() == [0] * 240 + [1] * 30
    column = data.names.index("SUBJECT_PADDED")
    heavy, even = (tune(data, Options(max_fp=0.3, max_delayed=0.5, balance=b)).points[column] for b in (0.0, 1.0))
    assert even < heavy
    weight = importance(data, 1.0)
    for spam in (False, True):
        sums = [weight[(data.source == number) & (data.spam == spam)].sum() for number in (0, 1)]
        assert sums[0] == pytest.approx(sums[1])
    assert importance(data, 0.0).tolist() == [1.0] * 270


def test_leaving_out_tables_shows_what_does_not_carry_over(table: Path, second: Path) -> None:
    data = read([table, second])
    options = Options(max_fp=0.3, max_delayed=0.5)
    mixed, apart = (tune(data, replace(options, by_table=by_table)) for by_table in (False, True))
    small = data.source == 1
    alone = tune(data.rows(~small), options)
    assert apart.left_out[small] == pytest.approx(alone.estimator.points(data.x[small]))
    assert mixed.left_out[small] != pytest.approx(apart.left_out[small])


def test_tables_that_cannot_be_left_out_are_named(table: Path) -> None:
    data = read([table])
    with pytest.raises(MailFilterError, match="two tables or more"):
        tune(data, Options(by_table=True))
    two = replace(data, source=data.spam.astype(np.int64))
    with pytest.raises(MailFilterError, match="without table 1 the others hold one class only"):
        tune(two, Options(by_table=True))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--cap", "foo"], "argument --cap: GROUP=POINTS, not foo"),
        (["--range", "X=1:b"], "argument --range: RULE=LOW:HIGH, not X=1:b"),
        (["--max-fp", "x"], "argument --max-fp: a share from 0 to 0.5, or 0% to 50%, not x"),
        (["--max-fp", "70%"], "argument --max-fp: a share from 0 to 0.5, or 0% to 50%, not 70%"),
    ],
)
def test_an_option_that_makes_no_sense_says_what_would(
    option: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["tune", "hits.npz", *option])
    assert caught.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(said)
