"""YARA rules over what is attached (needs the extra ``yara``: yara-python).

A rule's ``meta`` may say ``malware = true``: then a match is malware and outranks all; any other match is a finding
with points of its own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..deadline import Deadline
from ..errors import MissingExtraError, SettingError
from ..symbols import Findings, Symbol, declared_by
from . import Mail

MOST = 500
"""Parts of one mail that are looked at."""
SECONDS = 2
"""Time that the rules get for one mail; what they do not come to was not looked at."""
_RULE_FILES = (".yar", ".yara")


class YaraCheck:
    """Matches compiled rules with every part of every reading, and with the mail as it is.

    ``path``  a file of rules, or a folder of ``*.yar`` and ``*.yara`` files (not below).  Raises `SettingError` for
    rules that are not there or do not compile, `MissingExtraError` without the package.  ``include`` is not allowed.
    An empty path means no rules: nothing is needed, nothing is found.
    """

    name = "yara"

    def __init__(self, path: str, source: str = "settings") -> None:
        self.symbols = declared_by(self.name)
        self._yara: Any = None
        if path:
            self._load(path, source)

    def _load(self, path: str, source: str) -> None:
        try:
            import yara
        except ImportError:
            raise MissingExtraError("[yara] rules", "yara") from None
        self._yara = yara
        try:
            self._rules = yara.compile(filepaths=_files(path), includes=False)
        except (OSError, yara.Error) as error:
            raise SettingError(source, (f"yara.rules: {path}: {error}",)) from None

    def run(self, mails: Sequence[Mail]) -> Sequence[Findings]:
        """Findings per mail, in order."""
        return [self._find(mail) if self._yara else () for mail in mails]

    def _find(self, mail: Mail) -> Findings:
        found: dict[str, dict[str, None]] = {}
        message = mail.message
        parts = [("the whole mail", message.raw)]
        parts += [(f"part {part.path}", part.data) for part in message.parts[:MOST] if not part.is_container]
        deadline = Deadline.after(SECONDS)
        for place, data in parts:
            try:
                matches = self._rules.match(data=data, timeout=SECONDS)
            except self._yara.Error as error:
                found.setdefault("YARA_UNKNOWN", {})[f"{place}: {error}"] = None
                matches = []
            for match in matches:
                name = "YARA_MALWARE" if match.meta.get("malware") is True else "YARA_MATCH"
                found.setdefault(name, {})[f"{match.rule} in {place}"] = None
            if deadline.expired and place != parts[-1][0]:
                found.setdefault("YARA_UNKNOWN", {})[f"the time was up after {place}"] = None
                break
        return tuple(Symbol(name, 1.0, "; ".join(evidence)[:500]) for name, evidence in found.items())


def _files(path: str) -> dict[str, str]:
    """Rule files by their namespace; raises `OSError`."""
    if not os.path.isdir(path):
        with open(path, "rb"):
            return {"rules": path}
    found = {name: os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(_RULE_FILES)}
    if not found:
        raise FileNotFoundError("there is no *.yar or *.yara in this folder")
    return found
