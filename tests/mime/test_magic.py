"""Types by content."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailfilter.mime.magic import detect


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (zipped("a.txt"), "application/zip"),
        (
            zipped("[Content_Types].xml", "word/document.xml"),
            "application/vnd.openxmlformats-officedocument.wordprocessingml",
        ),
        (
            zipped("x" * 9000, "[Content_Types].xml", "xl/a.xml"),
            "application/vnd.openxmlformats-officedocument.spreadsheetml",
        ),
        (zipped("META-INF/MANIFEST.MF", "A.class"), "application/java-archive"),
        (zipped("META-INF/MANIFEST.MF", "AndroidManifest.xml"), "application/vnd.android.package-archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 20, "application/x-ole-storage"),
        (b"MZ\x90\0\x03" + b"\0" * 80, "application/vnd.microsoft.portable-executable"),
        (b"MZ is how this text starts, and it goes on for quite some time with nothing but letters", ""),
        (b"\x7fELF\x02", "application/x-elf"),
        (b"\xcf\xfa\xed\xfe\x07", "application/x-mach-binary"),
        (b"\xca\xfe\xba\xbe\0\0\0\x02", "application/x-mach-binary"),
        (b"\xca\xfe\xba\xbe\0\0\0\x34", "application/java-vm"),
        (gzip.compress(b"x"), "application/gzip"),
        (b"BZh91AY", "application/x-bzip2"),
        (b"\xfd7zXZ\0", "application/x-xz"),
        (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
        (b"Rar!\x1a\x07\x01\0", "application/vnd.rar"),
        (tarred(), "application/x-tar"),
        (b"%PDF-1.7", "application/pdf"),
        (b"\n\n%PDF-1.4", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"BM\x10\0\0\0\0\0\0\0", "image/bmp"),
        (b"BMW is a car maker", ""),
        (b"II*\0", "image/tiff"),
        (b"{\\rtf1", "application/rtf"),
        (b"L\0\0\0\x01\x14\x02\0", "application/x-ms-shortcut"),
        (b"\0" * 32769 + b"CD001", "application/x-iso9660-image"),
        (b"#!/bin/sh\n", "text/x-script"),
        (b"<!DOCTYPE html><p>", "text/html"),
        (b" \r\n<HTML>", "text/html"),
        (b"\xef\xbb\xbf<!-- x --><script>", "text/html"),
        (b"<?xml version='1.0'?><html>", "text/html"),
        (b"<?xml version='1.0'?><svg xmlns='x'>", "image/svg+xml"),
        (b"<svg onload=x>", "image/svg+xml"),
        (b"<?xml version='1.0'?><note>", "text/xml"),
        (b"<note>", ""),
        (b"From: a@b.example\nTo: c@d.example\nSubject: x\n\ny", "message/rfc822"),
        (b"Received: x\n by y\nX-A: b\nDate: z\n\ny", "message/rfc822"),
        (b"From here on: it is text\nTo: be\n\n", ""),
        (b"hello", ""),
        (b"", ""),
    ],
)
def test_types(data: bytes, kind: str) -> None:
    assert detect(data) == kind


@given(
    st.binary(max_size=60), st.sampled_from((b"", b"PK\x03\x04", b"MZ", b"<", b"\xca\xfe\xba\xbe", b"From: x\n", b"BM"))
)
@settings(deadline=None)
def test_any_bytes(data: bytes, start: bytes) -> None:
    assert isinstance(detect(start + data), str)
