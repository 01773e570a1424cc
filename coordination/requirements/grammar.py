"""Reads the text form of requirements by recursive descent. Pure; docs/requirements.md has the grammar."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from coordination.requirements.requirement import Requirement
from coordination.requirements.terms import (
    KEYWORDS,
    LISTS,
    MAX_ITEMS,
    MAX_TERMS,
    MAX_WEIGHT,
    NUMBER,
    PRESENCE,
    VERSIONED,
    Name,
    Number,
    Op,
    Preference,
    Scalar,
    Term,
    TermError,
)
from coordination.requirements.tokens import RequirementSyntaxError, Sort, Token, tokens

MAX_REMEMBERED: Final = 512
"""Texts whose requirement is remembered."""
_SYMBOLS: Final = {
    "=": Op.EQ,
    "==": Op.EQ,
    **{op.value: op for op in (Op.NE, Op.LT, Op.LE, Op.GT, Op.GE, Op.COMPATIBLE, Op.CARET, Op.TILDE)},
}
_WORDS: Final = {op.value: op for op in (Op.IN, Op.EXISTS, Op.SEMVER, Op.PEP440)}
_TWISTED: Final = {"=>": ">=", "=<": "<=", "<>": "!=", "===": "=", "=~": "~=", ">>": ">", "<<": "<"}
_CONJUNCTIONS: Final = frozenset({"and", "or", "AND", "OR", "with"})


def parse(text: str) -> Requirement:
    """Read a requirement such as ``python>=3.11, region in [eu, us], prefer gpu.memory_gb>=80 weight 3``.

    The last few hundred texts are remembered: most are asked again and again.

    Raises:
        RequirementSyntaxError: It is none; the error says where it goes wrong and how to mend it.
    """
    return _parse(text)


def parse_term(text: str) -> tuple[Term, int | None]:
    """Read one term without ``prefer``, and its weight if it says one.

    Raises:
        RequirementSyntaxError: It is none.
    """
    return _Parser(text).lone_term()


@lru_cache(maxsize=MAX_REMEMBERED)
def _parse(text: str) -> Requirement:
    return _Parser(text).requirement()


class _Parser:
    """One text being read, one token ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(tokens(text))
        self._place = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._place]

    @property
    def _following(self) -> Token:
        return self._tokens[min(self._place + 1, len(self._tokens) - 1)]

    def requirement(self) -> Requirement:
        """The whole text."""
        hard: list[Term] = []
        preferred: list[Preference] = []
        previous: Name | None = None
        if self._token.sort is Sort.END:
            raise self._wrong("a requirement has at least one term, such as the name of a capability")
        while True:
            if len(hard) + len(preferred) == MAX_TERMS:
                raise self._wrong(f"a requirement has at most {MAX_TERMS} terms")
            if self._is_word("prefer"):
                preferred.append(self._preference())
                previous = None
            else:
                hard.append(self._term(previous))
                previous = hard[-1].name
                if self._is_word("weight"):
                    raise self._wrong("only a preference has a weight; write 'prefer' before the term")
            if not self._comma():
                break
        try:
            return Requirement(tuple(hard), tuple(preferred))
        except ValueError as error:
            raise self._wrong(str(error)) from None

    def lone_term(self) -> tuple[Term, int | None]:
        """The whole text as one term."""
        if self._is_word("prefer"):
            raise self._wrong("what is preferred stands in 'preferred', without the word 'prefer'")
        term = self._term(None)
        weight = self._weight()
        if self._comma():
            raise self._wrong("this is one term; another one is an item of its own")
        return term, weight

    def _preference(self) -> Preference:
        self._place += 1
        term = self._term(None)
        return Preference(term, self._weight() or 1)

    def _weight(self) -> int | None:
        if not self._is_word("weight"):
            return None
        self._place += 1
        digits = self._token.text if self._token.sort is Sort.WORD else ""
        if not (digits.isdigit() and len(digits) <= 4 and 1 <= int(digits) <= MAX_WEIGHT):
            raise self._wrong(f"a weight is a whole number from 1 to {MAX_WEIGHT}, not {self._token.shown}")
        self._place += 1
        return int(digits)

    def _comma(self) -> bool:
        """Step over a comma; False if the text ends instead."""
        token = self._token
        if token.sort is Sort.END:
            return False
        if not self._is_symbol(","):
            if token.sort is Sort.WORD and token.text in _CONJUNCTIONS:
                raise self._wrong(f"{token.shown} is no part of the language; separate terms by ','")
            raise self._wrong(f"expected ',' or the end, not {token.shown}")
        self._place += 1
        if self._token.sort is Sort.END or self._is_symbol(","):
            raise self._wrong("a term must follow ','")
        return True

    def _term(self, previous: Name | None) -> Term:
        """One term; `previous` is what it is about if it begins with its operator."""
        if self._is_word("not") and not self._is_negated_operator():
            self._place += 1
            return Term(self._name(), Op.ABSENT)
        if not self._is_operator():
            return self._test(self._name())
        if previous is None:
            raise self._wrong(
                f"a name must come before {self._token.shown}; it goes without saying only when the term "
                "before is a hard one"
                if self._place
                else f"a name must come before {self._token.shown}"
            )
        return self._test(previous)

    def _name(self) -> Name:
        token = self._token
        if token.sort in (Sort.END, Sort.SYMBOL):
            raise self._wrong(f"expected the name of a capability or label, not {token.shown}")
        if token.sort is Sort.WORD and token.text in KEYWORDS:
            raise self._wrong(
                f'{token.shown} is a word of the language; as a name it is written "{token.text}"'
            )
        try:
            name = Name(token.text) if token.sort is Sort.STRING else Name.read(token.text)
        except TermError as error:
            raise self._wrong(error.message) from None
        self._place += 1
        return name

    def _test(self, name: Name) -> Term:
        """What is said of a name: an operator and a value, or nothing, which means that it exists."""
        if not self._is_operator():
            token = self._token
            if token.sort is Sort.STRING or (
                token.sort is Sort.WORD and token.text not in {"weight", *_CONJUNCTIONS}
            ):
                raise self._wrong(
                    f"expected an operator after '{name}', such as = or >=, or ',', not {token.shown}"
                )
            return Term(name)
        start = self._token.offset
        op = self._operator()
        places: tuple[int, ...] = (self._token.offset,)
        value: Scalar | tuple[Scalar, ...] | None = None
        if op in LISTS:
            value, places = self._list(op)
        elif op not in PRESENCE:
            value = self._value(op)
        try:
            return Term(name, op, value)
        except TermError as error:
            offset = start if error.part == "op" else places[error.item or 0]
            raise RequirementSyntaxError(error.message, offset=offset, text=self._text) from None

    def _operator(self) -> Op:
        token, following = self._token, self._following
        if self._is_word("not"):
            self._place += 2
            return Op.NOT_IN if following.text == "in" else Op.ABSENT
        both = token.text + following.text
        adjacent = following.offset == token.offset + len(token.text)
        if token.sort is Sort.SYMBOL and following.sort is Sort.SYMBOL and adjacent and both in _TWISTED:
            raise self._wrong(f"'{both}' is no operator; write {_TWISTED[both]}")
        self._place += 1
        return _SYMBOLS[token.text] if token.sort is Sort.SYMBOL else _WORDS[token.text]

    def _value(self, op: Op) -> Scalar:
        """One value; for operators on versions it is text, whatever it looks like."""
        token = self._token
        if token.sort not in (Sort.WORD, Sort.STRING):
            hint = {Op.SEMVER: ' in quotes, such as ">=1.2 <2"', Op.PEP440: ' in quotes, such as ">=3.11"'}
            raise self._wrong(
                f"a value must follow '{op}'{hint.get(op, '')}, not {token.shown}"
                + ("; lists go with 'in'" if self._is_symbol("[") else "")
            )
        self._place += 1
        if token.sort is Sort.STRING or op in VERSIONED:
            return token.text
        if token.text in ("true", "false"):
            return token.text == "true"
        if not NUMBER.fullmatch(token.text):
            return token.text
        try:
            return Number(token.text)
        except ValueError as error:
            raise RequirementSyntaxError(str(error), offset=token.offset, text=self._text) from None

    def _list(self, op: Op) -> tuple[tuple[Scalar, ...], tuple[int, ...]]:
        """The items of a list, and where they stand."""
        if not self._is_symbol("["):
            raise self._wrong(f"a list must follow '{op}', such as [eu, us], not {self._token.shown}")
        places: list[int] = []
        self._place += 1
        items: list[Scalar] = []
        if self._is_symbol("]"):
            raise self._wrong("a list has at least one item")
        while True:
            if len(items) == MAX_ITEMS:
                raise self._wrong(f"a list has at most {MAX_ITEMS} items")
            if self._token.sort not in (Sort.WORD, Sort.STRING):
                raise self._wrong(f"expected an item of the list, not {self._token.shown}")
            places.append(self._token.offset)
            items.append(self._value(op))
            if self._is_symbol("]"):
                break
            if not self._is_symbol(","):
                raise self._wrong(f"expected ',' or ']' in the list, not {self._token.shown}")
            self._place += 1
        self._place += 1
        return tuple(items), tuple(places)

    def _is_word(self, text: str) -> bool:
        return self._token.sort is Sort.WORD and self._token.text == text

    def _is_symbol(self, text: str) -> bool:
        return self._token.sort is Sort.SYMBOL and self._token.text == text

    def _is_operator(self) -> bool:
        known = {Sort.SYMBOL: _SYMBOLS, Sort.WORD: _WORDS}.get(self._token.sort, {})
        return self._token.text in known or self._is_negated_operator()

    def _is_negated_operator(self) -> bool:
        following = self._following
        return self._is_word("not") and following.sort is Sort.WORD and following.text in ("in", "exists")

    def _wrong(self, message: str) -> RequirementSyntaxError:
        """An error at the token that is next."""
        return RequirementSyntaxError(message, offset=self._token.offset, text=self._text)
