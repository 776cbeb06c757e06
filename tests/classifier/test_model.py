"""A model file is whole or refused in one line; one mail and a batch get the same bits; clues are from the mail."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.classifier.examples import Example
from mailfilter.classifier.model import Model
from mailfilter.errors import ModelError
from mailfilter.message import Message


@pytest.fixture(scope="session")
def path(small: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model") / "small.npz"
    small.save(place)
    return place


def test_the_shipped_model_loads_and_is_small_enough() -> None:
    model = Model.load()
    assert model.weights.nbytes <= 8_000_000
    assert model.facts["corpora"]
    assert "phishing-pot-2024" not in model.facts["corpora"]
    assert "household-2026" not in model.facts["corpora"]


def test_saved_and_loaded_it_says_the_same(small: Model, path: Path, lessons: list[Example]) -> None:
    messages = [Message(lesson.raw) for lesson in lessons[:40]]
    loaded = Model.load(path)
    assert loaded.fusion == small.fusion
    assert loaded.score(messages).tobytes() == small.score(messages).tobytes()


def test_one_mail_and_a_batch_give_the_same_bits(small: Model, lessons: list[Example]) -> None:
    messages = [Message(lesson.raw) for lesson in lessons[:60]]
    batch = small.judge(messages)
    for order in (messages, messages[::-1]):
        for message in order:
            one = small.judge([message])
            at = messages.index(message)
            assert one.log_odds.tobytes() == batch.log_odds[at : at + 1].tobytes()
            assert one.support.tobytes() == batch.support[at : at + 1].tobytes()


def test_no_mail_no_judgement(small: Model) -> None:
    assert small.score([]).shape == (0,)


def test_it_has_learned_something(small: Model, lessons: list[Example]) -> None:
    rest = lessons[1::2]
    scores = small.score([Message(lesson.raw) for lesson in rest])
    spam = np.array([lesson.spam for lesson in rest])
    assert scores[spam].mean() > 1 > -1 > scores[~spam].mean()


@cache
def shipped() -> Model:
    return Model.load()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes_get_a_finite_score(raw: bytes) -> None:
    judged = shipped().judge([Message(raw)])
    assert np.isfinite(judged.log_odds).all()
    assert ((judged.support >= 0) & (judged.support <= 1)).all()


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_refused_in_one_line(
    data: st.DataObject, path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        whole = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        # Somewhere in the first or last kilobyte, where the structure is, or anywhere.
        at = data.draw(
            st.one_of(st.integers(0, 1000), st.integers(1, 1000).map(lambda n: -n), st.integers(0, len(whole) - 1))
        )
        whole[at] ^= data.draw(st.integers(1, 255))
    broken = tmp_path_factory.mktemp("broken") / "broken.npz"
    broken.write_bytes(whole)
    complaint = refusal(broken)
    if complaint is None:
        # A byte that means nothing (a date, an attribute) was changed.
        assert Model.load(broken).weights.tobytes() == Model.load(path).weights.tobytes()
    else:
        assert str(broken) in complaint
        assert "\n" not in complaint


@pytest.mark.parametrize(("at", "value"), [(8, 1), (10, 8)])
def test_a_member_said_to_be_encrypted_or_compressed_is_damage(at: int, value: int, path: Path, tmp_path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"PK\x01\x02") + at] |= value
    broken = tmp_path / "broken.npz"
    broken.write_bytes(whole)
    with pytest.raises(ModelError, match="damaged"):
        Model.load(broken)


def refusal(path: Path) -> str | None:
    try:
        Model.load(path)
    except ModelError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 1}, "version 1"),
        ({"kind": "cookbook"}, "no content model"),
        ({"views": ["body"]}, "does not fit"),
        ({"views": ["body", "tea leaves"]}, "tea leaves"),
        ({"bias": None}, "does not fit"),
        ({"bias": 1e999}, "Infinity"),
        ({"scale": [float("nan")] * 4}, "NaN"),
        ({"factors": [1.0]}, "does not fit"),
        ({"trust": [0.5, 0.5]}, "trust"),
        ({"facts": 3}, "facts"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    path: Path, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    with zipfile.ZipFile(path) as container:
        manifest = json.loads(container.read("manifest.json")) | change
        weights = container.read("weights.npy")
    other = tmp_path / "other.npz"
    with zipfile.ZipFile(other, "w") as container:
        container.writestr("manifest.json", json.dumps(manifest))
        container.writestr("weights.npy", weights)
    with pytest.raises(ModelError, match=says):
        Model.load(other)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x04K\x01."])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "x.npz"
    place.write_bytes(content)
    with pytest.raises(ModelError):
        Model.load(place)


def test_a_folder_or_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        Model.load(tmp_path)
    with pytest.raises(ModelError, match="cannot be read"):
        Model.load(tmp_path / "not there")


def test_saving_is_all_or_nothing(small: Model, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written"):
        small.save(tmp_path / "no folder" / "x.npz")
    (tmp_path / "taken").mkdir()
    with pytest.raises(ModelError, match="cannot be written"):
        small.save(tmp_path / "taken")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_clues_are_pieces_of_the_mail(small: Model, lessons: list[Example]) -> None:
    spam = next(lesson for lesson in lessons if lesson.spam and b"pills" in lesson.raw)
    clues = small.explain(Message(spam.raw), 12)
    assert len(clues) == 12
    sizes = [abs(clue.weight) for clue in clues]
    assert sizes == sorted(sizes, reverse=True)
    assert clues[0].weight > 0
    assert {clue.view for clue in clues} <= set(small.layout.names)
    assert all(clue.text for clue in clues)
    assert small.explain(Message(spam.raw), 0) == ()
    assert len(small.explain(Message(b""), 5)) <= 5


def test_scoring_does_not_load_scikit_learn() -> None:
    code = (
        "import sys; from mailfilter.classifier import Model; from mailfilter.message import Message;"
        "Model.load().score([Message(b'Subject: x\\n\\nhello')]);"
        "print([name for name in ('sklearn', 'scipy', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
