"""The C kernel under the address and undefined behaviour sanitizers, over hostile mails and public corpora.

    python -m tests.sanitized_kernel [--corpus NAME …] [--limit N] [--mutations N]

Builds the kernel apart with gcc, starts itself again with it, and checks every mail; the sanitizers end the
process at the first fault.  Not part of the tests: it takes minutes.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FLAGS = ("-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_BITS = (b"<", b">", b'"', b"'", b"=", b"\n", b"\xff", b"&", b"")
PATTERNS = (
    rb"^From:[^\n]*<([^>\n]+)>(?:[^\n]+\n+)*?To:[^\n]*\1", rb"^[^\r\n]{200,}", rb"(?<!\w)(?:a|ab)++(?=c|d)",
    rb"\b\w{3,9}?\s*$", rb"(?>https?)://(?!www)[^\s\"'>]{4,60}", rb"(?:<[^>]*>\s*){3,}?\S", rb"(?:&#?\w+;?){2,9}",
)  # fmt: skip
"""Patterns as the kernel's matcher gets them."""
WORDS = (rb"\bv[^a-z]{0,3}[i1!][^a-z]{0,3}a[^a-z]{0,3}g", rb"(?:^|\s)[ck][a4]s[i1]n[o0]\b", rb"[s5](?:e|&#\d\d;)x")
"""And as a table of states does."""
_PIECES = (
    "<a href=x>", "</a>", "<a", "<p style=display:none>", "</p>", "<!--", "-->", "<!--[if x]>", "<title>", "</title>",
    "<script>", "<img src='y' width=1", "<base href=\"z\">", "<font size=", ">", '"', "'", "&#128;", "&amp;",
    "&#x110000;", "http://h.example/", "www.", "a@b", "from x (y [192.0.2.1])", " ", "\n", "\r\n", "\x1c", "\x1e", "\0",
    "é", "\u2003", "\u201c", "\U0001f600", "a", "b", "B1",
)  # fmt: skip
_PATTERNS = (
    rb"^(a|b)+?(?=c)(?<!d)[xyz]{2,}(q)\2$",
    rb"[^\n]{9,}?(?>a+|b)\b",
    rb"(?:[a-z]{3,}\s*)+(a*?)b\1",
    rb".*a[^<]*+<",
)
BUILT = "MAILFILTER_SANITIZED_KERNEL"


def build(folder: Path) -> Path:
    """The kernel with the sanitizers in it."""
    made = folder / "_kernel.abi3.so"
    sources = sorted(map(str, (ROOT / "mailfilter" / "native").glob("*.c")))
    include = sysconfig.get_paths()["include"]
    subprocess.run(["gcc", *FLAGS, "-shared", "-fPIC", f"-I{include}", *sources, "-o", str(made)], check=True)
    return made


def start_again(kernel: Path) -> int:
    """This program with the sanitized kernel; memory that Python never frees is no fault of ours."""
    library = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    more = {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc", BUILT: str(kernel)}
    again = [sys.executable, "-m", "tests.sanitized_kernel", *sys.argv[1:]]
    return subprocess.run(again, env=os.environ | more, check=False).returncode


def load(kernel: str) -> None:
    """Put the kernel built here in the place of the installed one."""
    from importlib.machinery import ExtensionFileLoader
    from importlib.util import module_from_spec, spec_from_file_location

    name = "mailfilter._kernel"
    spec = spec_from_file_location(name, kernel, loader=ExtensionFileLoader(name, kernel))
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = module_from_spec(spec)
    spec.loader.exec_module(module)


def mails(args: argparse.Namespace) -> Iterator[tuple[str, bytes]]:
    """Hostile mails, mails of the corpora, and those cut and changed at random places."""
    from benchmarks.corpus import load as load_corpus
    from mailfilter.testing.hostile import hostile_mails

    kept = [(name, raw) for name, raw in hostile_mails() if len(raw) < args.largest]
    yield from kept
    for name in args.corpus:
        found = [(f"{name}/{mail.path}", mail.raw) for mail in load_corpus(name, limit=args.limit).mails]
        yield from found
        kept += found
    chance = random.Random(1)
    for _ in range(args.mutations):
        name, raw = chance.choice(kept)
        changed = bytearray(raw[: chance.randrange(1, 20_000)] or b"x")
        for _ in range(chance.randrange(1, 30)):
            at = chance.randrange(len(changed))
            changed[at : at + chance.randrange(3)] = chance.choice(_BITS)
            changed = changed or bytearray(b"x")
        yield f"{name} changed", bytes(changed)


def patterns() -> Callable[[bytes], None]:
    """What looks for patterns of rules in a text, by programs and by a table of states."""
    from mailfilter.ruleset.automaton import Automaton, Places
    from mailfilter.ruleset.program import find, program

    assert find is not None
    programs = [program(pattern, "ims") or b"" for pattern in PATTERNS]
    places = Places()
    for pattern in WORDS:
        places.add(pattern, "im", 0)
    table = Automaton(places)

    def run(text: bytes) -> None:
        for written in programs:
            find(written, text, 0, len(text), 20_000, 1)
            find(written, text, len(text) // 3, len(text) // 2, 2_000, 0)
        table.scan(text[:20_000])

    return run


def functions(native: Any, count: int) -> None:
    """Functions of the kernel called by themselves: short pieces of HTML, and programs that nobody has written."""
    from mailfilter.ruleset.program import program

    chance = random.Random(2)
    written = [program(source, "ims") or b"" for source in _PATTERNS]
    for _ in range(count):
        text = "".join(chance.choices(_PIECES, k=chance.choice((1, 2, 3, 8, 30))))
        raw = text.encode()
        for name in ("tidy", "plain", "host", "mailbox", "count", "client", "rule_text", "rule_paragraphs"):
            getattr(native, name)(text)
        _ = native.walk(text, chance.randrange(4)), native.text_links(text, 9), native.rule_facts(text, {"a": 2})
        _ = native.squeeze(raw), native.skeleton(raw, 9), native.rule_words(raw), native.link_view(((text,),) * 50)
        broken = bytearray(chance.choice(written))
        for _ in range(chance.randrange(4)):
            broken[chance.randrange(len(broken))] = chance.choice((0, 1, 3, 127, 128, 255))
        start = chance.randrange(len(raw) + 1)
        native.find(bytes(broken), raw, start, chance.randrange(start, len(raw) + 1), 2_000, chance.randrange(3))


def main() -> int:
    """Build and start again, or read."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpus", nargs="*", default=[], help="names of public corpora ($MAILFILTER_CORPORA)")
    parser.add_argument("--limit", type=int, default=2000, help="mails of each corpus")
    parser.add_argument("--mutations", type=int, default=2000, help="mails that are changed at random places")
    parser.add_argument("--largest", type=int, default=3_000_000, help="bytes of the largest hostile mail")
    args = parser.parse_args()
    if BUILT not in os.environ:
        with tempfile.TemporaryDirectory() as folder:
            return start_again(build(Path(folder)))
    load(os.environ[BUILT])
    from mailfilter import FilterChain, Message, kernel
    from mailfilter.ruleset.evals.htmlfacts import html_facts
    from mailfilter.ruleset.facts import Facts
    from mailfilter.ruleset.rules import Domains
    from mailfilter.ruleset.uris import UriFinder

    assert kernel.native is not None
    look = patterns()
    chain, finder, count = FilterChain(stateless=True), UriFinder(Domains(frozenset(), frozenset())), 0
    functions(kernel.native, 10 * args.mutations)
    for _, raw in mails(args):
        message = Message(raw)
        facts = Facts(message, finder)
        _ = message.readings(), chain.check(message), facts.fields, facts.paragraphs, facts.uris, html_facts(facts)
        look(raw)
        count += 1
    print(f"{count} mails, no fault")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
