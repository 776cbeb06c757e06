"""The attachment check beyond its golden cases: its laws, zip files of every kind, and time bounded by size."""

from __future__ import annotations

import base64
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfilter.checks._zip import MOST, zip_entries
from mailfilter.checks.attachments import AttachmentCheck, extension_of
from tests.checks.laws import laws_of, names, seconds

CHECK = AttachmentCheck()
test_laws = laws_of(CHECK)


def attached(data: bytes, name: str = "plan.bin", label: str = "application/octet-stream") -> bytes:
    head = (
        "From: a@example.net\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee below\n--b\n"
        f'Content-Type: {label}\nContent-Disposition: attachment; filename="{name}"\n'
        "Content-Transfer-Encoding: base64\n\n"
    )
    return head.encode() + base64.encodebytes(data) + b"--b--\n"


def zipped(*members: str, comment: bytes = b"", compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for member in members:
            archive.writestr(member, b"content " * 20)
        archive.comment = comment
    return file.getvalue()


@given(
    st.lists(
        st.text("abcxyzäжλ./ ", min_size=1, max_size=30).map(lambda name: name.lstrip("/") or "x"),
        max_size=8,
        unique=True,
    )
)
def test_members_are_listed_as_the_standard_library_lists_them(members):
    data = zipped(*members)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {entry.name for entry in zip_entries(data)} == set(archive.namelist())


@pytest.mark.parametrize(
    "data",
    [
        zipped("run.exe"),
        zipped("run.exe", comment=b"x" * 60_000),
        b"MZ junk before" + zipped("run.exe"),
        zipped("run.exe")[:60],
        zipped("run.exe") + b"junk behind" * 10_000,
        zipped("a/b/RUN.EXE"),
        zipped("run.exe. "),
        zipped("ok.txt", "run.pdf.scr"),
        zipped("run.exe", compression=zipfile.ZIP_STORED),
    ],
)
def test_a_program_in_a_zip_is_found_however_it_is_wrapped(data):
    assert "ATTACH_ARCHIVED_EXECUTABLE" in names(CHECK, attached(data))


def test_a_name_that_only_the_central_directory_gives_counts_too():
    data = zipped("aaa.txt")
    at = data.rindex(b"aaa.txt")
    assert "ATTACH_ARCHIVED_EXECUTABLE" in names(CHECK, attached(data[:at] + b"aaa.exe" + data[at + 7 :]))
    assert "ATTACH_ARCHIVED_EXECUTABLE" in names(CHECK, attached(data.replace(b"aaa.txt", b"aaa.exe", 1)))


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_have_entries_or_none(before, behind):
    assert all(isinstance(entry.name, str) for entry in zip_entries(before + b"PK\x03\x04" + behind + b"PK\x01\x02"))


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("a.exe", "exe"),
        ("a.EXE", "exe"),
        ("a.exe. .", "exe"),
        ("a.exe\0.txt", "exe"),
        ("a.pdf \u202eexe.x", "x"),
        ("a", ""),
        ("", ""),
        ("a. exe", "exe"),
        (".", ""),
        ("archive.tar.gz", "gz"),
    ],
)
def test_extensions(name, extension):
    assert extension_of(name) == extension


@pytest.mark.parametrize("label", ["text/plain", "image/png", "application/pdf"])
def test_a_label_does_not_hide_a_name(label):
    assert "ATTACH_EXECUTABLE" in names(CHECK, attached(b"content", "run.exe", label))


def test_both_names_of_a_part_count():
    raw = attached(b"content", "plan.pdf", 'application/octet-stream; name="plan.exe"')
    assert "ATTACH_EXECUTABLE" in names(CHECK, raw)


def test_a_uuencoded_program_in_the_text_is_an_attachment():
    raw = b"From: a@example.net\n\nsee below\n\nbegin 644 run.exe\n#0V%T\n`\nend\n"
    assert "ATTACH_EXECUTABLE" in names(CHECK, raw)


def test_the_body_itself_has_no_name_and_no_finding():
    assert names(CHECK, b"From: a@example.net\n\nrun.exe\n") == set()


@pytest.mark.parametrize(
    "raw",
    [
        attached(b"PK\x03\x04" * 500_000),
        attached(b"PK\x03\x04" + b"\xff" * 2_000_000),
        attached(zipped(*(f"{n}.txt" for n in range(MOST * 2)))),
        attached(b"x", "a." * 300_000),
        attached(b"x", " " * 900_000 + ".exe"),
        attached(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"_\0V\0B\0A\0" * 200_000),
    ],
)
def test_large_attachments_take_bounded_time(raw):
    assert seconds(CHECK, raw) < 2
