"""What each directive of a rule file says, collected line by line; `RuleBuilder.finish` makes a `RuleSet` of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from . import listing, templates
from .charclasses import PatternError
from .expressions import ExpressionError, parse
from .lines import Line, language
from .patterns import Pattern, parse_pattern, split_delimiters, translate
from .rules import Fault, Kind, Place, Rule, Scores, Severity
from .tags import Tags

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
_HEADER = re.compile(r"([\w.-]+(?::[a-z]+){0,2}):?\s*([=!]~)\s*(.+)\Z", re.S)
_UNSET = re.compile(r"\s+\[if-unset:\s+(.+)\]\Z")
_MODIFIERS = frozenset(("raw", "addr", "name", "host", "domain", "ip", "revip", "first", "last"))
_EVAL = re.compile(r"eval:\s*([A-Za-z_]\w*)\s*\((.*)\)\s*\Z", re.S)
_ARGUMENT = re.compile(r"\s*(?:'([^']*)'|\"([^\"]*)\"|([\d.:A-Za-z-]+))\s*(?:,|\Z)")
_KINDS = {kind.value: kind for kind in Kind}
_MANY = frozenset(
    ("multiple", "nice", "net", "learn", "noautolearn", "userconf", "publish", "nopublish", "notrim", "nosubject",
     "noawl", "domains_only", "ips_only", "a", "ns", "concat", "autolearn_force", "autolearn_header", "autolearn_body",
     "nolog", "nopublish")
)  # fmt: skip
_VALUED = ("maxhits=", "range=")


@dataclass(slots=True)
class Draft:
    """A rule as its own line says it; ``text`` is the pattern with delimiters until tags are replaced."""

    rule: Rule
    text: str = ""


class RuleBuilder:
    """Takes directives in order; a later definition of a name replaces an earlier one."""

    def __init__(self, report: Callable[[Fault], None]) -> None:
        self.report = report
        self.drafts: dict[str, Draft] = {}
        self.scores: dict[str, tuple[Scores, Place]] = {}
        self.descriptions: dict[str, tuple[str, Place]] = {}
        self.tflags: dict[str, tuple[frozenset[str], Place]] = {}
        self.priorities: dict[str, tuple[int, Place]] = {}
        self.tags = Tags()
        self.tagged: dict[str, Place] = {}
        self.top: set[str] = set()
        self.two: set[str] = set()
        self.three: set[str] = set()
        self.redirectors: list[Pattern] = []
        self.lists: dict[str, set[str]] = {}
        self.ignored: Counter[tuple[str, str]] = Counter()
        self.ignored_at: dict[tuple[str, str], Place] = {}
        self._settings = frozenset(language()["settings"])
        self._families = tuple(language()["families"])

    def take(self, line: Line) -> None:
        """One directive."""
        handler = _HANDLERS.get(line.word)
        if line.word in _KINDS and line.word != "eval":
            self.rule_line(line)
        elif handler:
            handler(self, line)
        elif line.word in self._settings or line.word.startswith(self._families):
            key = (line.place.file, line.word)
            self.ignored[key] += 1
            self.ignored_at.setdefault(key, line.place)
        elif line.word != "test":
            self.error(line.place, "", "unknown directive", line.word[:60])

    def error(self, place: Place, rule: str, reason: str, detail: str = "") -> None:
        """Report an error."""
        self.report(Fault(place, rule, Severity.ERROR, reason, detail))

    def note(self, place: Place, rule: str, reason: str, detail: str = "") -> None:
        """Report something harmless."""
        self.report(Fault(place, rule, Severity.NOTE, reason, detail))

    def rule_line(self, line: Line) -> None:
        """``header``, ``body``, …: a rule's definition."""
        words = line.rest.split(None, 1)
        if len(words) < 2:
            self.error(line.place, words[0] if words else "", "syntax", f"{line.word} needs a name and a test")
            return
        name, test = words[0], words[1].strip()
        if not _NAME.match(name):
            self.error(line.place, name[:60], "syntax", "a name is letters, digits and _, 100 at most")
            return
        kind = _KINDS[line.word]
        rule = Rule(name, kind, line.place)
        if test.startswith(("eval:", "rbleval:")):
            draft = self._eval(rule, test, line)
        elif kind is Kind.META:
            draft = self._meta(rule, test, line)
        elif kind in (Kind.HEADER, Kind.MIMEHEADER):
            draft = self._header(rule, test, line)
        else:
            draft = self._pattern(rule, test, line)
        if draft is None:
            return
        other = self.drafts.get(name)
        if other is not None:
            self.note(line.place, name, "duplicate name", f"replaces the one of {other.rule.place}")
            del self.drafts[name]
        self.drafts[name] = draft

    def _eval(self, rule: Rule, test: str, line: Line) -> Draft | None:
        match = _EVAL.match(test.removeprefix("rbl"))
        arguments: list[str] = []
        rest = match[2] if match else ""
        while rest.strip() and (found := _ARGUMENT.match(rest)):
            arguments.append(next(text for text in found.groups() if text is not None))
            rest = rest[found.end() :]
        if not match or rest.strip():
            self.error(line.place, rule.name, "syntax", f"not a function with arguments: {test[:60]}")
            return None
        family = rule.kind.value
        return Draft(replace(rule, kind=Kind.EVAL, function=match[1], arguments=tuple(arguments), family=family))

    def _meta(self, rule: Rule, test: str, line: Line) -> Draft | None:
        try:
            parse(_globs_out(test))
        except ExpressionError as error:
            self.error(line.place, rule.name, "expression cannot be read", str(error))
            return None
        return Draft(replace(rule, expression=test))

    def _header(self, rule: Rule, test: str, line: Line) -> Draft | None:
        if test.startswith("exists:") and rule.kind is Kind.HEADER:
            target = test[7:].strip().rstrip(":")
            if not re.fullmatch(r"[\w.-]+", target):
                self.error(line.place, rule.name, "syntax", f"no header name: {target[:60]!r}")
                return None
            return Draft(replace(rule, target=target, exists=True))
        match = _HEADER.match(test)
        if not match:
            self.error(line.place, rule.name, "syntax", f"expected HEADER =~ /pattern/, got {test[:60]!r}")
            return None
        target, operator, text = match[1], match[2], match[3]
        if wrong := [word for word in target.split(":")[1:] if word not in _MODIFIERS]:
            self.error(line.place, rule.name, "syntax", f"unknown header modifier :{wrong[0]}")
            return None
        unset = _UNSET.search(text)
        if unset:
            text = text[: unset.start()]
        draft = replace(rule, target=target, negated=operator == "!~", if_unset=unset[1] if unset else None)
        return self._pattern(draft, text.strip(), line)

    def _pattern(self, rule: Rule, text: str, line: Line) -> Draft | None:
        try:
            return Draft(_with_pattern(rule, *split_delimiters(text)), text)
        except PatternError as error:
            self.error(line.place, rule.name, "pattern cannot be read", str(error))
            return None

    def score(self, line: Line) -> None:
        """``score NAME 1.0`` or four of them; ``(1.0)`` adds to what is there."""
        words = line.rest.split()
        try:
            values = [float(word.strip("()")) for word in words[1:]]
            if len(values) not in (1, 4) or not all(abs(value) <= 1e6 for value in values):
                raise ValueError
        except ValueError:
            self.error(line.place, words[0] if words else "", "syntax", "score needs a name and one or four numbers")
            return
        scores = Scores(*(values * 4 if len(values) == 1 else values))
        before = self.scores.get(words[0])
        if words[1].startswith("(") and before:
            scores = Scores(*(old + new for old, new in zip(before[0], scores, strict=True)))
        self.scores[words[0]] = (scores, line.place)

    def describe(self, line: Line) -> None:
        """``describe NAME TEXT``"""
        name, _, text = line.rest.partition(" ")
        if not name:
            self.error(line.place, "", "syntax", "describe needs a name and a text")
            return
        self.descriptions[name] = (text.strip(), line.place)

    def flags(self, line: Line) -> None:
        """``tflags NAME FLAG…``; a later line replaces an earlier one."""
        name, *flags = line.rest.split() or [""]
        if not name or not flags:
            self.error(line.place, name, "syntax", "tflags needs a name and flags")
            return
        for flag in flags:
            if flag not in _MANY and not flag.startswith(_VALUED):
                self.note(line.place, name, "unknown tflag", flag[:40])
        self.tflags[name] = (frozenset(flags), line.place)

    def priority(self, line: Line) -> None:
        """``priority NAME N``"""
        words = line.rest.split()
        if len(words) != 2 or not re.fullmatch(r"[+-]?\d{1,9}", words[1]):
            self.error(line.place, words[0] if words else "", "syntax", "priority needs a name and a whole number")
            return
        self.priorities[words[0]] = (int(words[1]), line.place)

    def tag(self, line: Line) -> None:
        """``replace_tag``, ``replace_pre``, ``replace_inter``, ``replace_post``"""
        words = line.rest.split(None, 1)
        if len(words) < 2:
            self.error(line.place, "", "syntax", f"{line.word} needs a name and a piece of pattern")
            return
        getattr(self.tags, line.word.removeprefix("replace_"))[words[0]] = words[1].strip()

    def bracket(self, line: Line) -> None:
        """``replace_start``, ``replace_end``"""
        if not line.rest:
            self.error(line.place, "", "syntax", f"{line.word} needs a text")
            return
        setattr(self.tags, line.word.removeprefix("replace_"), line.rest)

    def replace_rules(self, line: Line) -> None:
        """``replace_rules NAME…``"""
        for name in line.rest.split():
            self.tagged[name] = line.place

    def suffixes(self, line: Line) -> None:
        """``util_rb_tld``, ``util_rb_2tld``, ``util_rb_3tld``"""
        table = {"util_rb_tld": self.top, "util_rb_2tld": self.two, "util_rb_3tld": self.three}[line.word]
        table.update(word.lower().strip(".") for word in line.rest.split())

    def clear_suffixes(self, line: Line) -> None:
        """``clear_util_rb all|tld|2tld|3tld``"""
        for name, table in (("tld", self.top), ("2tld", self.two), ("3tld", self.three)):
            if line.rest in ("all", name, ""):
                table.clear()

    def redirector(self, line: Line) -> None:
        """``redirector_pattern /…/``"""
        try:
            self.redirectors.append(parse_pattern(line.rest))
        except PatternError as error:
            self.error(line.place, "", "pattern cannot be read", str(error))

    def enlist(self, line: Line) -> None:
        """``freemail_domains`` and the like: words of a list."""
        if wrong := listing.take(self.lists, line.word, line.rest):
            self.error(line.place, "", "syntax", wrong)

    def disbelieve(self, line: Line) -> None:
        """``welcomelist_from``: whom the mail names is nobody's proof."""
        detail = f"{line.word} has no effect; welcomelist_from_rcvd, or an allow list of the policy, has"
        self.report(Fault(line.place, "", Severity.UNSUPPORTED, listing.UNBELIEVED, detail))

    def with_tags(self, draft: Draft, place: Place) -> Rule:
        """A rule whose pattern has its tags replaced; one that fails keeps the pattern as written, with a fault."""
        rule = draft.rule
        try:
            body, flags = split_delimiters(draft.text)
            return _with_pattern(rule, self.tags.replace(body), flags)
        except (PatternError, ValueError) as error:
            self.error(place, rule.name, "tags cannot be replaced", str(error))
            return rule


def _with_pattern(rule: Rule, body: str, flags: str) -> Rule:
    """A rule with its pattern; templates, which a mimeheader rule has none of, are wide open.  `PatternError`."""
    asks = templates.asked(body) if rule.kind is not Kind.MIMEHEADER else ()
    if not asks:
        return replace(rule, pattern=translate(body, flags))
    pattern = translate(templates.widened(body), flags)
    return replace(rule, pattern=pattern._replace(source=f"/{body}/{flags}"), asks=asks)


def _globs_out(expression: str) -> str:
    return re.sub(r"(?<!_)\brules_matching\(\s*[A-Za-z_*?][\w*?]*\s*\)", "0", expression)


_HANDLERS: dict[str, Callable[[RuleBuilder, Line], None]] = {
    "score": RuleBuilder.score,
    "describe": RuleBuilder.describe,
    "tflags": RuleBuilder.flags,
    "priority": RuleBuilder.priority,
    "replace_tag": RuleBuilder.tag,
    "replace_pre": RuleBuilder.tag,
    "replace_inter": RuleBuilder.tag,
    "replace_post": RuleBuilder.tag,
    "replace_start": RuleBuilder.bracket,
    "replace_end": RuleBuilder.bracket,
    "replace_rules": RuleBuilder.replace_rules,
    "util_rb_tld": RuleBuilder.suffixes,
    "util_rb_2tld": RuleBuilder.suffixes,
    "util_rb_3tld": RuleBuilder.suffixes,
    "clear_util_rb": RuleBuilder.clear_suffixes,
    "redirector_pattern": RuleBuilder.redirector,
    **dict.fromkeys(listing.DIRECTIVES, RuleBuilder.enlist),
    **dict.fromkeys(listing.UNBELIEVED_DIRECTIVES, RuleBuilder.disbelieve),
}
