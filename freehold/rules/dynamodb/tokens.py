"""Tokens of DynamoDB's expressions, and AWS's way to say where one is wrong."""

from __future__ import annotations

import re
from typing import NamedTuple

from freehold.kit.faults import Fault
from freehold.rules.dynamodb.reserved import WORDS

MAX_EXPRESSION = 4_096
MAX_OPERATORS = 300

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<alias>\#[A-Za-z0-9_]+)
      | (?P<value>:[A-Za-z0-9_]+)
      | (?P<number>[0-9]+)
      | (?P<symbol><>|<=|>=|[=<>(),.\[\]+\-])""",
    re.VERBOSE,
)

NAME, ALIAS, VALUE, NUMBER, SYMBOL, END = "name", "alias", "value", "number", "symbol", "end"


class Token(NamedTuple):
    """One token. `word` is the upper-case text of a name, for keywords; the text itself otherwise."""

    kind: str
    text: str
    start: int
    end: int
    word: str


class Tokens:
    """The tokens of one expression and a place in them. `what` names the parameter in messages: "ConditionExpression"."""

    def __init__(self, what: str, text: str) -> None:
        self.what = what
        self.text = text
        self.at = 0
        self.operators = 0
        if not text or text.isspace():
            raise self.invalid("The expression can not be empty;")
        size = len(text.encode())
        if size > MAX_EXPRESSION:
            raise self.invalid(f"Expression size has exceeded the maximum allowed size; expression size: {size}")
        self.tokens = self._split(text)

    def _split(self, text: str) -> list[Token]:
        tokens: list[Token] = []
        at, end = 0, len(text)
        while at < end:
            found = _TOKEN.match(text, at)
            if found is None:
                near = text[tokens[-1].start if tokens else at : at + 1 + _next_length(text, at + 1)]
                raise self.invalid(f'Syntax error; token: "{text[at]}", near: "{near}"')
            kind = str(found.lastgroup)
            if kind != "space":
                piece = found.group()
                tokens.append(Token(kind, piece, at, found.end(), piece.upper() if kind == NAME else piece))
            at = found.end()
        tokens.append(Token(END, "<EOF>", end, end, "<EOF>"))
        return tokens

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[self.at]

    def next(self) -> Token:
        """Take the next token."""
        token = self.tokens[self.at]
        if token.kind != END:
            self.at += 1
        return token

    def peek(self, ahead: int = 1) -> Token:
        """A later token, without taking it."""
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def take(self, word: str) -> bool:
        """Take the next token if it is this keyword or symbol."""
        if self.tokens[self.at].word == word:
            self.at += 1
            return True
        return False

    def expect(self, word: str) -> None:
        """Take this keyword or symbol, or fail."""
        if not self.take(word):
            raise self.error()

    def operator(self, count: int = 1) -> None:
        """Count operators or functions against the limit of an expression.

        Comparisons, AND, OR, NOT, functions, IN, + and - count one each, BETWEEN with its AND two; AWS stops counting at
        301. Source: code library, "Count expression operators in DynamoDB".
        """
        self.operators += count
        if self.operators > MAX_OPERATORS:
            raise self.invalid(f"The expression contains too many operators; operator count: {MAX_OPERATORS + 1}")

    def error(self) -> Fault:
        """The syntax error at the next token: it and its neighbours are shown."""
        before = self.tokens[max(self.at - 1, 0)]
        after = self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        near = self.text[before.start : after.end]
        return self.invalid(f'Syntax error; token: "{self.token.text}", near: "{near}"')

    def invalid(self, message: str) -> Fault:
        """The ValidationException about this expression."""
        return Fault("ValidationException", f"Invalid {self.what}: {message}")

    def attribute(self) -> str:
        """Take a bare attribute name; refuse a reserved word."""
        token = self.next()
        if token.word in WORDS:
            raise self.invalid(f"Attribute name is a reserved keyword; reserved keyword: {token.text}")
        return token.text


def _next_length(text: str, at: int) -> int:
    """Length of the blanks and the token that follow."""
    start = at
    while (found := _TOKEN.match(text, at)) is not None:
        at = found.end()
        if found.lastgroup != "space":
            break
    return at - start
