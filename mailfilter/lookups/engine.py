"""The sans-I/O engine: it drives the dialogues of all mails in hand and never waits for anything.

Questions that several dialogues share are asked once.  A dialogue that raises, or that never ends, costs its
own check and nothing else.  Two thin drivers share the engine: `mailfilter.lookups.drivers`.
The idea of one state machine under two faces is dnspython's ``_Resolution``.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..checks import Asking, Check, LookupCheck, Mail
from ..symbols import Findings, Symbol
from . import Answer, Question, no_answer

MAX_ROUNDS = 64
"""Rounds of questions that one dialogue may ask before it is cut off (SPF needs about a dozen)."""

CHECK_FAILED = "CHECK_FAILED"
"""Symbol (group unknown) for a check that could not finish; the evidence names check and cause."""

Recorded = Mapping[Question, Answer]
"""Answers of an earlier day to questions about one mail (`mailfilter.rescoring.replay`)."""


@dataclass(slots=True)
class _Dialogue:
    mail: int
    check: str
    asking: Asking
    questions: tuple[Question, ...] = ()
    missing: int = 0
    rounds: int = 0


class Engine:
    """Dialogues in, questions out; answers in, findings out.

    ``findings[i]`` collects what was found in ``mails[i]``; complete once `done`.
    ``declared``  names of the symbols that each check says it can find, if they are known already.
    ``recorded``  per mail, answers that are used again.  Given that, nothing is asked: a question without one is
    answered as one that nobody was configured to answer.
    """

    def __init__(
        self,
        checks: Iterable[LookupCheck],
        mails: Sequence[Mail],
        recorded: Sequence[Recorded] | None = None,
        declared: Mapping[str, frozenset[str]] | None = None,
        answered: Container[type[Any]] | None = None,
    ) -> None:
        self._recorded = recorded
        self.findings: list[list[Symbol]] = [[] for _ in mails]
        self._asked: list[list[Question]] = [[] for _ in mails]
        self._answers: dict[Question, Answer] = {}
        self._waiting: dict[Question, list[_Dialogue]] = {}
        self._fresh: list[Question] = []
        self._declared = declared or {check.name: declared_names(check) for check in checks}
        for check in checks:
            unasked = getattr(check, "unasked", None) if answered is not None and recorded is None else None
            for number, mail in enumerate(mails):
                if unasked is None or not self._settled(check.name, unasked, number, mail, answered):
                    self._start(check, number, mail)

    @property
    def done(self) -> bool:
        """Whether every dialogue has ended."""
        return not self._waiting

    def _settled(
        self, check: str, unasked: Callable[..., Findings | None], number: int, mail: Mail, answered: Any
    ) -> bool:
        """Whether a check could be done without a dialogue (`mailfilter.checks.QuietCheck`)."""
        try:
            symbols = unasked(mail, answered)
        except Exception as error:
            self._fail(number, check, error)
            return True
        if symbols:
            self._found(number, check, symbols)
        return symbols is not None

    def answers(self) -> list[list[tuple[Question, Answer]]]:
        """Of each mail, the questions that were asked about it and their answers, in order; complete once `done`."""
        known = [self._answers] * len(self._asked) if self._recorded is None else self._recorded
        return [
            [(question, said[question]) for question in dict.fromkeys(asked) if question in said]
            for asked, said in zip(self._asked, known, strict=True)
        ]

    def take_questions(self) -> list[Question]:
        """Questions that nobody has taken yet, each exactly once."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def answer(self, question: Question, answer: Answer) -> None:
        """Hand in an answer; an answer to a question that is not open (late, or never asked) changes nothing."""
        dialogues = self._waiting.pop(question, None)
        if dialogues is None:
            return
        self._answers[question] = answer
        for dialogue in dialogues:
            dialogue.missing -= 1
            if dialogue.missing == 0:
                self._advance(dialogue)

    def give_up(self, detail: str) -> None:
        """Answer all that is open, now and in later rounds, with "not known"; ends every dialogue."""
        while self._waiting:
            question = next(iter(self._waiting))
            self.answer(question, no_answer(question, timed_out=True, detail=detail))
        self._fresh.clear()

    def _start(self, check: LookupCheck, number: int, mail: Mail) -> None:
        try:
            asking = check.ask(mail)
            questions = next(asking)
        except StopIteration as stop:  # nothing to ask, as most have where nobody can be asked
            if stop.value:
                self._found(number, check.name, stop.value)
        except Exception as error:
            self._fail(number, check.name, error)
        else:
            self._step(_Dialogue(number, check.name, asking), questions)

    def _advance(self, dialogue: _Dialogue) -> None:
        answers = tuple([self._answers[question] for question in dialogue.questions])
        try:
            questions = dialogue.asking.send(answers)
        except StopIteration as stop:
            self._found(dialogue.mail, dialogue.check, stop.value or ())
        except Exception as error:
            self._fail(dialogue.mail, dialogue.check, error)
        else:
            self._step(dialogue, questions)

    def _step(self, dialogue: _Dialogue, questions: tuple[Question, ...]) -> None:
        """Take a round's questions; keep going for as long as they are all answered already."""
        try:
            while True:
                dialogue.rounds += 1
                if dialogue.rounds > MAX_ROUNDS:
                    dialogue.asking.close()
                    raise RuntimeError(f"still asking after {MAX_ROUNDS} rounds")
                dialogue.questions = tuple(questions)
                self._asked[dialogue.mail].extend(dialogue.questions)
                if self._recorded is not None:
                    recorded = self._recorded[dialogue.mail]
                    answers = tuple([_replayed(recorded, question) for question in dialogue.questions])
                elif self._enlist(dialogue):
                    return
                else:
                    answers = tuple([self._answers[question] for question in dialogue.questions])
                questions = dialogue.asking.send(answers)
        except StopIteration as stop:
            self._found(dialogue.mail, dialogue.check, stop.value or ())
        except Exception as error:
            self._fail(dialogue.mail, dialogue.check, error)

    def _found(self, number: int, check: str, symbols: Iterable[Symbol]) -> None:
        try:
            found = only_declared(check, self._declared[check], symbols)
        except Exception as error:
            self._fail(number, check, error)
        else:
            self.findings[number].extend(found)

    def _enlist(self, dialogue: _Dialogue) -> int:
        """Note what the dialogue waits for; returns how many questions that is."""
        open_questions = [q for q in dict.fromkeys(dialogue.questions) if q not in self._answers]
        for question in open_questions:
            dialogues = self._waiting.get(question)
            if dialogues is None:
                self._waiting[question] = [dialogue]
                self._fresh.append(question)
            else:
                dialogues.append(dialogue)
        dialogue.missing = len(open_questions)
        return dialogue.missing

    def _fail(self, number: int, check: str, error: Exception) -> None:
        self.findings[number].append(failure(check, error))


def _replayed(known: Recorded, question: Question) -> Answer:
    answer = known.get(question)
    if answer is None:
        return no_answer(question, timed_out=False, detail="was not asked when this was recorded")
    return answer


def failure(check: str, error: Exception) -> Symbol:
    """The finding that stands for a check which did not finish."""
    return Symbol(CHECK_FAILED, 1.0, f"{check}: {type(error).__name__}: {error}"[:300])


def declared_names(check: Check) -> frozenset[str]:
    """Names of the symbols that a check says it can find."""
    return frozenset(info.name for info in check.symbols)


def only_declared(check: str, declared: frozenset[str], symbols: Iterable[Symbol]) -> list[Symbol]:
    """What a check found, with `CHECK_FAILED` in place of a symbol that it has not declared."""
    if not symbols:
        return []
    return [
        symbol
        if symbol.name in declared
        else Symbol(CHECK_FAILED, 1.0, f"{check}: found {symbol.name}, which it does not declare")
        for symbol in symbols
    ]
