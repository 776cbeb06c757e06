"""What a file is by its content; names and labels are not looked at.

Types are MIME types as the IANA or custom has them; `detect` returns ``""`` for what it does not know, plain text
among it.
"""

from __future__ import annotations

import re

ZIP = "application/zip"
OOXML = "application/vnd.openxmlformats-officedocument"
"""Any Office Open XML document; the part after the dot says which: ``.wordprocessingml``, …"""
JAR = "application/java-archive"
APK = "application/vnd.android.package-archive"
OLE = "application/x-ole-storage"
EXE = "application/vnd.microsoft.portable-executable"
ELF = "application/x-elf"
MACH_O = "application/x-mach-binary"
LNK = "application/x-ms-shortcut"
CLASS = "application/java-vm"
SCRIPT = "text/x-script"
HTML = "text/html"
EML = "message/rfc822"

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"PK\x07\x08", ZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (b"MZ", EXE),
    (b"\x7fELF", ELF),
    (b"\xfe\xed\xfa\xce", MACH_O),
    (b"\xfe\xed\xfa\xcf", MACH_O),
    (b"\xce\xfa\xed\xfe", MACH_O),
    (b"\xcf\xfa\xed\xfe", MACH_O),
    (b"\xca\xfe\xba\xbe", CLASS),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"MSCF", "application/vnd.ms-cab-compressed"),
    (b"ITSF", "application/vnd.ms-htmlhelp"),
    (b"\x60\xea", "application/x-arj"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x00\x00\x01\x00", "image/vnd.microsoft.icon"),
    (b"{\\rtf", "application/rtf"),
    (b"L\x00\x00\x00\x01\x14\x02\x00", LNK),
    (b"\x78\x9f\x3e\x22", "application/vnd.ms-tnef"),
    (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", "application/onenote"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"\xef\xbb\xbf", ""),
    (b"RIFF", "application/x-riff"),
    (b"%!PS", "application/postscript"),
    (b"#!", SCRIPT),
)
_BY_START: dict[bytes, list[tuple[bytes, str]]] = {}
for _magic, _kind in _MAGIC:
    _BY_START.setdefault(_magic[:2], []).append((_magic, _kind))

_MARKUP = re.compile(
    rb"\s*+(?:<!--[^>]{0,500}-->\s*+|<\?xml[^>]{0,500}\?>\s*+)?<(!doctype[ \t]+(?:html|svg)|[a-z]{1,10})(?![a-z])", re.I
)
_HTML_TAGS = frozenset(b"html head body script table div p a br meta style title iframe font center img form".split())
_SPECIAL = frozenset(bytes((byte,)) for byte in b"<\xef \t\r\nRrFfTtSsDdMmXx>") | {b""}
_EML = re.compile(
    rb"(?:>?From [^\n]*\n)?(?:(?:received|return-path|from|to|subject|date|message-id|mime-version|delivered-to)"
    rb":[^\n]*\n(?:[ \t][^\n]*\n)*+|x-[a-z-]+:[^\n]*\n(?:[ \t][^\n]*\n)*+){3}", re.I
)  # fmt: skip


def detect(data: bytes) -> str:
    """The MIME type that ``data`` is by its first bytes, ``""`` if none is recognised."""
    for magic, kind in _BY_START.get(data[:2], ()):
        if data.startswith(magic):
            return _REFINE.get(kind, _same)(data, kind)
    first = data[:1]
    if first in _SPECIAL:
        if first in b"<\xef \t\r\n":
            if found := _markup(data):
                return found
        elif _may_be_mail(data) and _EML.match(data, 0, 20000):
            return EML
    if data.find(b"%", 0, 1024) >= 0 and data.find(b"%PDF-", 0, 1028) >= 0:
        return "application/pdf"
    return _with_nul(data) if data.find(b"\0", 0, 512) >= 0 else ""


def _may_be_mail(data: bytes) -> bool:
    """Whether the text starts with an mbox line or with something like a header's name; saves a costlier look."""
    colon = data.find(b":", 0, 40)
    return (colon > 0 and b" " not in data[:colon]) or data.startswith((b"From ", b">From "))


def _with_nul(data: bytes) -> str:
    """Types that are told by something further on, and that have NUL bytes near their start."""
    if data[4:8] == b"ftyp":
        return "video/mp4"
    if data[257:262] == b"ustar":
        return "application/x-tar"
    if data[32769:32774] == b"CD001":
        return "application/x-iso9660-image"
    return ""


def _riff(data: bytes, kind: str) -> str:
    return "image/webp" if data[8:12] == b"WEBP" else kind


def _same(_data: bytes, kind: str) -> str:
    return kind


def _markup(data: bytes) -> str:
    """HTML, SVG or other XML."""
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    match = _MARKUP.match(data, start, 4096)
    if not match:
        return "text/xml" if data.startswith(b"<?xml", start) else ""
    tag = match[1].lower()
    if tag.endswith(b"svg"):
        return "image/svg+xml"
    if tag.startswith(b"!") or tag in _HTML_TAGS:
        return HTML
    return "text/xml" if data.startswith(b"<?xml", start) else ""


def _zip(data: bytes, _kind: str) -> str:
    """What a ZIP container holds, by the names near its start and its end."""
    head = data[:8192]
    tail = data[-65536:]
    if head[30:38] == b"mimetype" and (match := re.compile(rb"application/[a-z.+-]{1,80}").match(head, 38)):
        return match[0].decode("ascii")
    if b"[Content_Types].xml" in head or b"[Content_Types].xml" in tail:
        for folder, kind in ((b"word/", "wordprocessingml"), (b"xl/", "spreadsheetml"), (b"ppt/", "presentationml")):
            if folder in head or folder in tail:
                return f"{OOXML}.{kind}"
        return OOXML
    if b"AndroidManifest.xml" in head or b"AndroidManifest.xml" in tail:
        return APK
    if b"META-INF/MANIFEST.MF" in head or b"META-INF/MANIFEST.MF" in tail:
        return JAR
    return ZIP


def _fat_or_class(data: bytes, kind: str) -> str:
    """Java class files and fat Mach-O binaries share their magic; the next word tells them apart."""
    return kind if len(data) < 8 or data[4:8] > b"\x00\x00\x00\x20" else MACH_O


def _executable(data: bytes, kind: str) -> str:
    """``MZ`` alone may start a text; an executable has a header with NUL bytes after it."""
    return kind if b"\0" in data[:128] or len(data) < 64 else ""


def _bitmap(data: bytes, kind: str) -> str:
    """``BM`` may start a text too; a bitmap has four reserved zero bytes."""
    return kind if data[6:10] == b"\0\0\0\0" else ""


def _bom(data: bytes, _kind: str) -> str:
    return _markup(data)


_REFINE = {
    ZIP: _zip, CLASS: _fat_or_class, EXE: _executable, "image/bmp": _bitmap, "application/x-riff": _riff, "": _bom,
}  # fmt: skip
