"""Read PDF objects (ISO 32000-2 7.3) in the form that Qianda writes.

Everything else that the format allows is refused: comments, escapes in names, duplicate keys, unusual white space.
Otherwise a change could hide where two readers understand a file differently. `hub/web/static/signer/pdf_objects.js`
follows the same rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

MAX_DEPTH = 50
MAX_SAFE_INTEGER = 2**53 - 1  # JavaScript counts exactly up to here; both readers must see the same number

# Printable ASCII without delimiters and `#`: to other readers, `/Conten#74s` is `/Contents`.
_REGULAR = rb"[!\"$&'*-.0-;=?-Z\\^-z|~]"
_END = rb"(?!" + _REGULAR + rb")"  # a token ends at a delimiter, at white space or at the end of the file
_TOKEN = re.compile(
    rb"[ \n]*(?:"
    rb"(?P<reference>[1-9]\d{0,6}) 0 R" + _END + rb"|"
    rb"(?P<number>-?(?:\d{1,15}(?:\.\d{1,15})?|\.\d{1,15}))" + _END + rb"|"
    rb"(?P<name>/" + _REGULAR + rb"{1,127})" + _END + rb"|"
    rb"(?P<open><<|\[|\()|"
    rb"(?P<close>>>|\])|"
    rb"<(?P<hex>[0-9A-Fa-f]*+)>|"  # possessive: otherwise state is kept for each digit
    rb"(?P<word>true|false|null)" + _END + rb")"
)
_match_token = _TOKEN.match
_LITERAL_PART = re.compile(rb"[ -'*-\[\]-~\x80-\xff]+|\\(?:[0-3][0-7]{2}|[nrtbf()\\])|[()]")
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_WORDS: dict[bytes, bool | None] = {b"true": True, b"false": False, b"null": None}


class NotOurForm(Exception):
    """The bytes are not what Qianda writes. `what` says why in English, `at` is the offset in the file; 0 if the
    fault is at no certain place."""

    def __init__(self, what: str, at: int = 0) -> None:
        super().__init__(what)
        self.what = what
        self.at = at


class Name(str):
    """A PDF name with its "/"."""

    __slots__ = ()


class HexString(bytes):
    """A string written in hexadecimal. `start`: offset of its "<"; `end`: offset after its ">"."""

    start: int
    end: int


@dataclass(frozen=True)
class Reference:
    """A reference to the object with this number. The generation is always 0."""

    number: int


@dataclass(frozen=True)
class Stream:
    """A stream: its dictionary, and its bytes as in the file."""

    entries: dict[str, Value]
    data: bytes


Value = None | bool | int | float | str | bytes | Reference | list["Value"] | dict[str, "Value"] | Stream


class ObjectReader:
    """A position in a file. Reading an object moves the position to the end of it."""

    def __init__(self, file: bytes) -> None:
        self.file = file
        self.at = 0

    def take(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Return the match of the pattern at this position and move to its end; None if the pattern does not match."""
        match = pattern.match(self.file, self.at)
        if match:
            self.at = match.end()
        return match

    def need(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        """Return the match of the pattern here and move to its end. Raises NotOurForm, which names `what`."""
        match = self.take(pattern)
        if match is None:
            raise NotOurForm(f"{what} is not as Qianda writes it", self.at)
        return match

    def value(self, depth: int = 0) -> Value:
        """Return the object that begins here; for a stream, only the dictionary. Raises NotOurForm."""
        token = self._token("an object")
        if token.lastgroup == "close":
            raise NotOurForm("a list or dictionary ends too early", token.start())
        return self._value(token, depth)

    def _token(self, what: str) -> re.Match[bytes]:
        """Return the next token as `need` does, but faster: nearly all of the time is spent on tokens."""
        token = _match_token(self.file, self.at)
        if token is None:
            raise NotOurForm(f"{what} is not as Qianda writes it", self.at)
        self.at = token.end()
        return token

    def _value(self, token: re.Match[bytes], depth: int) -> Value:
        kind = token.lastgroup
        text = token[kind or 0]
        if kind == "reference":
            return _reference(text)
        if kind == "number":
            return _number(text)
        if kind == "name":
            return _name(text)
        if kind == "hex":
            if len(text) % 2:
                raise NotOurForm("a text has half a byte", token.start())
            return _hex_string(text, token.start("hex") - 1)
        if kind == "word":
            return _WORDS[text]
        return self._container(text, depth)

    def _container(self, opening: bytes, depth: int) -> Value:
        if opening == b"(":
            return self._literal()
        if depth >= MAX_DEPTH:
            raise NotOurForm("the objects are nested too deeply", self.at)
        return self._dictionary(depth) if opening == b"<<" else self._array(depth)

    def _dictionary(self, depth: int) -> dict[str, Value]:
        entries: dict[str, Value] = {}
        while (token := self._token("a dictionary")).lastgroup != "close":
            if token.lastgroup != "name":
                raise NotOurForm("an entry has no name", token.start())
            name = _name(token["name"])
            if name in entries:
                raise NotOurForm(f"{name} occurs twice in a dictionary", token.start())
            entries[name] = self.value(depth + 1)
        if token["close"] != b">>":
            raise NotOurForm("a dictionary does not end", token.start())
        return entries

    def _array(self, depth: int) -> list[Value]:
        items: list[Value] = []
        while (token := self._token("a list")).lastgroup != "close":
            items.append(self._value(token, depth + 1))
        if token["close"] != b"]":
            raise NotOurForm("a list does not end", token.start())
        return items

    def _literal(self) -> bytes:
        parts: list[bytes] = []
        unclosed = 1
        while True:
            part = self.need(_LITERAL_PART, "a string")[0]
            unclosed += (part == b"(") - (part == b")")
            if unclosed == 0:
                return b"".join(parts)
            parts.append(_unescaped(part) if part[:1] == b"\\" else part)


def is_equal(old: Value, new: Value) -> bool:
    """Return whether two objects are the same in every entry, type and byte. 1, 1.0 and true are different values."""
    if isinstance(old, bytes) and isinstance(new, bytes):
        return old == new
    if type(old) is not type(new):
        return False
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(is_equal(old[name], new[name]) for name in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(is_equal, old, new))
    if isinstance(old, Stream) and isinstance(new, Stream):
        return old.data == new.data and is_equal(old.entries, new.entries)
    return old == new


@lru_cache(maxsize=2048)
def _name(text: bytes) -> Name:
    return Name(text.decode("ascii"))


@lru_cache(maxsize=2048)
def _reference(number: bytes) -> Reference:
    return Reference(int(number))


def _number(text: bytes) -> int | float:
    if b"." in text:
        return float(text)
    number = int(text)
    if abs(number) > MAX_SAFE_INTEGER:
        raise NotOurForm("a number is too large")
    return number


def _hex_string(digits: bytes, start: int) -> HexString:
    value = HexString(bytes.fromhex(digits.decode("ascii")))
    value.start, value.end = start, start + len(digits) + 2
    return value


def _unescaped(part: bytes) -> bytes:
    return bytes([int(part[1:], 8)]) if part[1:].isdigit() else _ESCAPED.get(part[1:], part[1:])
