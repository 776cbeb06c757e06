"""Compiled databases on disk: only what is whole, ours, and made for this machine is ever loaded.

A file is named by the SHA-256 of what it was made from (patterns, library version, CPU) and holds the SHA-256 of its
content.  Folders that others may write to are not used: loading a database is running native code on its bytes.
Files are written beside their place and renamed, so nothing half-written is ever seen.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
import stat
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

_log = logging.getLogger("mailfilter")
_MAGIC = b"mailfilter-rules 1\n"
MAX_FILE = 512 * 2**20
MAX_CHOICES = 20_000


def default_folder() -> str:
    """``$XDG_CACHE_HOME/mailfilter/rules``, by default below ``~/.cache``; ``""`` where there is no home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        home = os.path.expanduser("~")
        if not os.path.isabs(home):
            return ""
        base = os.path.join(home, ".cache")
    return os.path.join(base, "mailfilter", "rules")


@cache
def machine() -> str:
    """The kind of CPU: databases use its instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="latin-1").splitlines()
    except OSError:
        lines = []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.system()} {platform.machine()} {' '.join(sorted(flags.split()))}"


class Cache:
    """A folder of compiled databases; with ``""`` nothing is kept.  No method raises: what fails is logged."""

    def __init__(self, folder: str | None = None) -> None:
        self.folder = Path(default_folder() if folder is None else folder)
        self.notes: list[str] = []
        self.usable = bool(folder or (folder is None and default_folder())) and self._prepare()

    def _prepare(self) -> bool:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.folder.stat()
        except OSError as error:
            self._note(f"{self.folder}: {error.strerror}; compiled rules are not kept")
            return False
        if os.name == "posix" and (found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022):
            self._note(f"{self.folder}: others may write to it; compiled rules are neither read nor kept there")
            return False
        return True

    def _note(self, text: str) -> None:
        self.notes.append(text)
        _log.warning("%s", text)

    @staticmethod
    def key(parts: Iterable[bytes]) -> str:
        """A name for what is made of ``parts`` on this machine."""
        digest = hashlib.sha256(_MAGIC + machine().encode())
        for part in parts:
            digest.update(b"%d:" % len(part))
            digest.update(part)
        return digest.hexdigest()

    def read(self, key: str) -> bytes | None:
        """What is kept under ``key``; `None` if there is nothing, or nothing that is whole."""
        if not self.usable:
            return None
        path = self.folder / f"{key}.db"
        try:
            if not stat.S_ISREG(os.lstat(path).st_mode) or os.lstat(path).st_size > MAX_FILE:
                self.drop(key, "no plain file")
                return None
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._note(f"{path}: {error.strerror}")
            return None
        head, body = data[: len(_MAGIC) + 64], data[len(_MAGIC) + 64 :]
        if head != _MAGIC + hashlib.sha256(key.encode() + body).hexdigest().encode():
            self.drop(key, "damaged, or not from here")
            return None
        return body

    def drop(self, key: str, reason: str) -> None:
        """Take a file away."""
        self._note(f"{self.folder / key}.db: {reason}; compiled again")
        with contextlib.suppress(OSError):
            (self.folder / f"{key}.db").unlink()

    def write(self, key: str, body: bytes) -> None:
        """Keep ``body`` under ``key``."""
        head = _MAGIC + hashlib.sha256(key.encode() + body).hexdigest().encode()
        self._write(f"{key}.db", head + body)

    def _write(self, name: str, data: bytes) -> None:
        if not self.usable:
            return
        temporary = ""
        try:
            handle, temporary = tempfile.mkstemp(dir=self.folder, prefix="new-")
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.folder / name)
        except OSError as error:
            self._note(f"{self.folder / name}: {error.strerror}; compiled rules are not kept")
            with contextlib.suppress(OSError):
                os.unlink(temporary)

    def read_choices(self, version: str) -> dict[str, list[Any]]:
        """What `write_choices` kept."""
        body = self.read(self.key([b"choices", version.encode()]))
        try:
            table = json.loads(body) if body else {}
        except ValueError:
            return {}
        return {str(name): choice for name, choice in table.items() if _is_choice(choice)}

    def write_choices(self, version: str, choices: Mapping[str, list[Any]]) -> None:
        """Keep what was found out about patterns; what others kept meanwhile stays, unless it is far too much."""
        before = self.read_choices(version)
        if any(before.get(name) != choice for name, choice in choices.items()):
            table = {**before, **choices} if len(before) < MAX_CHOICES else dict(choices)
            self.write(self.key([b"choices", version.encode()]), json.dumps(table).encode())


def _is_choice(choice: Any) -> bool:
    """A text and one or two numbers or texts, or a mark alone, or nothing."""
    if not isinstance(choice, list) or len(choice) > 3:
        return False
    return not choice or choice == [0] or (isinstance(choice[0], str) and len(choice) > 1)
