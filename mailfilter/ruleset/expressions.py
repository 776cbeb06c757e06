"""Arithmetic and boolean expressions over names: those of metas and of ``if`` lines.

Operators and their order are Perl's: ``!``, ``* /``, ``+ -``, ``< > <= >=``, ``== !=``, ``^``, ``&&``, ``||``, ``?:``.
``&&`` and ``||`` give one of their operands, as in Perl (and Python), so ``A && B`` is worth what B is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

MAX_DEPTH = 60
"""Parentheses and signs within each other."""
MAX_TOKENS = 5_000

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?|\.\d+)|([A-Za-z_][\w:]*)|(\|\||&&|[<>=!]=|[-+*/^<>!()?:]))")
_LEVELS = (("||",), ("&&",), ("^",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/"))
_LIKE = {"or": "||", "and": "&&", "not": "!"}


class ExpressionError(ValueError):
    """An expression that is not one; the message says why."""


class Node(NamedTuple):
    """A node of an expression: its operator (``"name"``, ``"number"``, ``"call"``, or a sign) and its operands."""

    kind: str
    value: str = ""
    parts: tuple[Node, ...] = ()


def parse(text: str) -> Node:
    """The tree of an expression.  Raises `ExpressionError`."""
    return _Parser(text).parse()


def names(node: Node) -> tuple[str, ...]:
    """Names in an expression, each once, in order."""
    return tuple(dict.fromkeys(part.value for part in _walk(node) if part.kind == "name"))


def _walk(node: Node) -> Iterator[Node]:
    stack = [node]
    while stack:
        top = stack.pop()
        yield top
        stack.extend(reversed(top.parts))


class _Parser:
    """Recursive descent with precedence climbing; depth and length are bounded."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        position = 0
        text = text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if not match:
                raise ExpressionError(f"cannot be read from {text[position : position + 20].strip()!r} on")
            kind = "number" if match[1] else "name" if match[2] else "sign"
            word = match[1] or match[2] or match[3]
            self.tokens.append((kind, word) if word not in _LIKE else ("sign", _LIKE[word]))
            position = match.end()
            if len(self.tokens) > MAX_TOKENS:
                raise ExpressionError(f"more than {MAX_TOKENS} words")
        self.at = self.depth = 0

    def parse(self) -> Node:
        if not self.tokens:
            raise ExpressionError("empty")
        if [word for _, word in self.tokens] == ["(", ")"]:
            return Node("number", "0")
        node = self.ternary()
        if self.at < len(self.tokens):
            raise ExpressionError(f"unexpected {self.tokens[self.at][1]!r}")
        return node

    def sign(self, *wanted: str) -> str:
        """The next token, if it is one of the signs; moves on."""
        if self.at < len(self.tokens):
            kind, word = self.tokens[self.at]
            if kind == "sign" and word in wanted:
                self.at += 1
                return word
        return ""

    def ternary(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(f"nested more than {MAX_DEPTH} deep")
        node = self.binary(0)
        if self.sign("?"):
            first = self.ternary()
            if not self.sign(":"):
                raise ExpressionError("a ? without :")
            node = Node("?", "", (node, first, self.ternary()))
        self.depth -= 1
        return node

    def binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self.unary()
        node = self.binary(level + 1)
        while operator := self.sign(*_LEVELS[level]):
            node = Node(operator, "", (node, self.binary(level + 1)))
        return node

    def unary(self) -> Node:
        """A number, a name or what is in parentheses, and the signs before it."""
        operator = self.sign("!", "-", "+")
        if operator:
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise ExpressionError(f"nested more than {MAX_DEPTH} deep")
            node = Node("!" if operator == "!" else f"{operator}1", "", (self.unary(),))
            self.depth -= 1
            return node
        if self.sign("("):
            node = self.ternary()
            if not self.sign(")"):
                raise ExpressionError("a ( without )")
            return node
        if self.at >= len(self.tokens):
            raise ExpressionError("ends where a name or number is expected")
        kind, word = self.tokens[self.at]
        if kind == "sign":
            raise ExpressionError(f"unexpected {word!r}")
        self.at += 1
        if kind == "name" and self.sign("("):
            return self.call(word)
        return Node(kind, word)

    def call(self, word: str) -> Node:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != "name":
            raise ExpressionError(f"{word}() needs a name")
        argument = self.tokens[self.at][1]
        self.at += 1
        if not self.sign(")"):
            raise ExpressionError(f"{word}( without )")
        return Node("call", word, (Node("word", argument),))


def evaluate(node: Node, name: Callable[[str], float], call: Callable[[str, str], bool]) -> float:
    """The value of an expression, for ``if`` lines; a division by zero is 0."""
    match node.kind:
        case "number":
            return float(node.value)
        case "name":
            return name(node.value)
        case "call":
            return float(call(node.value, node.parts[0].value))
    values = [evaluate(part, name, call) for part in node.parts]
    match node.kind:
        case "!":
            return float(not values[0])
        case "-1":
            return -values[0]
        case "+1":
            return values[0]
        case "?":
            return values[1] if values[0] else values[2]
    return OPERATIONS[node.kind](values[0], values[1])


OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "||": lambda a, b: a or b,
    "&&": lambda a, b: a and b,
    "^": lambda a, b: float(int(a) ^ int(b)),
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    "<": lambda a, b: float(a < b),
    ">": lambda a, b: float(a > b),
    "<=": lambda a, b: float(a <= b),
    ">=": lambda a, b: float(a >= b),
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else 0.0,
}
"""What the binary signs do."""
