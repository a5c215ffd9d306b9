"""Read contents of pages, forms, patterns and letters (ISO 32000-2 7.8.2) only if all programs read them alike.

If there are too many operands, some programs take the first, others the last; after an unknown operator, some continue,
and others skip the rest of the page. So a white area could cover a sum in one program only. Therefore contents may have
only operators of the standard (annex A), each with exactly its operands, and numbers in their usual form.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from typing import Final

from qianda.verify.pdf.content_steps import ContentSteps

# The kind of resource that the name before each of these operators refers to (7.8.3).
_NAMED_IN: Final = {
    b"Tf": "/Font",
    b"Do": "/XObject",
    b"gs": "/ExtGState",
    b"sh": "/Shading",
    **dict.fromkeys((b"cs", b"CS"), "/ColorSpace"),
    **dict.fromkeys((b"scn", b"SCN"), "/Pattern"),
}
_NEEDS_NO_RESOURCE: Final = {"/DeviceGray", "/DeviceRGB", "/DeviceCMYK", "/Pattern"}

# Brackets in brackets in a text, without a backslash.
MAX_NESTED_BRACKETS: Final = 4
# A token ends at white space, a delimiter or the end. Some programs misread integers of more than nine digits.
_SPACE = rb"[\0\t\n\f\r ]"
_END = rb"(?=[\0\t\n\f\r ()<>\[\]/%]|\Z)"
_GAP = rb"(?:" + _SPACE + rb"++|%[^\r\n]*+[\r\n])*"
_LENGTH = rb"(?:\d{1,9}(?:\.\d*+)?|\.\d++)" + _END + _GAP
_NUMBER = rb"[+-]?" + _LENGTH
_NAME = rb"/[!\"$&'*-.0-;=?-Z\\^-z|~]{1,127}+" + _END + _GAP
# A mark may have the name of the author's style (`/Heading#201`). Other escapes are refused: one could hide `/OC`.
_TAG = rb"/(?:[!\"$&'*-.0-;=?-Z\\^-z|~]|#20|#[89A-Fa-f][0-9A-Fa-f]){1,127}" + _END + _GAP
_HEX = rb"<(?:" + _SPACE + rb"*[0-9A-Fa-f]" + _SPACE + rb"*[0-9A-Fa-f])*" + _SPACE + rb"*>"
_LITERAL = rb"\((?:[^()\\]++|\\.)*\)"
for _ in range(MAX_NESTED_BRACKETS):
    _LITERAL = rb"\((?:[^()\\]++|\\.|" + _LITERAL + rb")*\)"
_STRING = rb"(?:" + _LITERAL + rb"|" + _HEX + rb")" + _GAP
_PLAIN = rb"(?:" + _NUMBER + rb"|" + _NAME + rb"|" + _STRING + rb"|(?:true|false|null)" + _END + _GAP + rb")"


# Operators that make a path, which may then become the clip (8.5.4).
_PATHS: Final = ("c", "h", "l", "re", "v", "y")


def _list(items: bytes) -> bytes:
    return rb"\[" + _GAP + rb"(?:" + items + rb")*\]" + _GAP


def _notes(depth: int) -> bytes:
    """Return the pattern of a dictionary in marked content (14.6). `depth`: how deep they may be nested."""
    inside = _STRING + rb"|[^\0-\x08\x0b\x0e-\x1f()<>%\x7f-\xff]++" + (rb"|" + _notes(depth - 1) if depth else b"")
    return rb"<<(?:" + inside + rb")*>>" + _GAP


def _operators(names: str) -> bytes:
    """Return the pattern of one of these operators, the longest first. The rest of a path may be followed by `W`."""
    listed = sorted(names.split(), key=len, reverse=True)
    plain = b"|".join(re.escape(name.encode()) for name in listed if name not in _PATHS)
    path = b"|".join(name.encode() for name in listed if name in _PATHS)
    either = [rb"(?:%b)" % plain + _END] if plain else []
    either += [rb"(?:%b)" % path + _END + _GAP + rb"(?:W\*?" + _END + rb")?"] if path else []
    return rb"(?:" + rb"|".join(either) + rb")"


def _after_numbers() -> bytes:
    """Return the pattern of the operators that take only numbers, by the number of operands."""
    pattern = _operators("c cm d1 Tm")
    for names in ("", "K k v y re", "RG rg", "d0 l m Td TD", "g G i j J M Tc TL Ts Tw Tz"):
        pattern = rb"(?:" + _NUMBER + pattern + (rb"|" + _operators(names) if names else rb"") + rb")"
    return _NUMBER + pattern


_STATEMENT: Final = rb"|".join(
    (
        _after_numbers(),
        _STRING + _operators("Tj '"),
        _operators("b b* B B* BT EMC ET f F f* h n q Q s S T*"),
        _list(_NUMBER + rb"|" + _STRING) + _operators("TJ"),
        _NAME + _NUMBER + _operators("Tf"),
        _NAME + _operators("CS cs Do gs ri sh"),
        _TAG + _operators("BMC MP"),
        _TAG + rb"(?:" + _NAME + rb"|" + _notes(2) + rb")" + _operators("BDC DP"),
        rb"(?:" + _NUMBER + rb")*(?:" + _NAME + rb")?" + _operators("SC SCN sc scn"),
        _LENGTH + _operators("w"),
        rb"[0-6]" + _END + _GAP + _operators("Tr"),
        rb"(?=\[" + _GAP + rb"(?:\]|[^\]]*[1-9]))" + _list(_LENGTH) + _LENGTH + _operators("d"),
        _NUMBER + _NUMBER + _STRING + _operators('"'),
    )
)
# The most statements in one match, because the regular expression keeps state for each until it ends.
MAX_STATEMENTS: Final = 1000
# Only single characters are repeated possessively; with groups, Python 3.11 matches too much.
_READABLE = re.compile(_GAP + rb"(?:(?:" + _STATEMENT + rb")" + _GAP + rb"){0,%d}" % MAX_STATEMENTS, re.DOTALL)
# The beginning of an inline picture, and the word that ends it at its first occurrence (8.9.7).
_OF_PICTURE = _PLAIN + rb"|" + _notes(0)
_PICTURE = re.compile(
    rb"BI" + _END + _GAP + rb"(?:" + _NAME + rb"(?:" + _OF_PICTURE + rb"|" + _list(_OF_PICTURE) + rb"))*ID" + _SPACE,
    re.DOTALL,
)
_IS_MASK = re.compile(rb"/(?:IM|ImageMask)" + _END)
_PICTURE_END = re.compile(_SPACE + rb"EI" + _END)
# In readable contents: names with the operator that looks them up, and `q` and `Q` as whole tokens.
_MARK = re.compile(
    _STRING
    + rb"|%[^\r\n]*+|(?P<name>/[^\0\t\n\f\r ()<>\[\]/%]++)"
    + _GAP
    + rb"(?:(?:"
    + _NUMBER
    + rb")?(?P<operator>"
    + rb"|".join(_NAMED_IN)
    + rb")"
    + _END
    + rb")?|(?P<state>[qQ])",
    re.DOTALL,
)
# In readable contents: numbers, names and operators.
_TOKEN = re.compile(
    _STRING
    + rb"|%[^\r\n]*+|"
    + _notes(2)
    + rb"|(?P<number>[+-]?[\d.]++)|(?P<name>/[^\0\t\n\f\r ()<>\[\]/%]++)|(?P<operator>[A-Za-z'\"][A-Za-z\d]*+\*?)",
    re.DOTALL,
)

# Operators that set a colour, with the numbers before them; that paint in it; or that draw in colours of their own.
_COLOUR = re.compile(
    _STRING
    + rb"|%[^\r\n]*+|(?:(?P<numbers>(?:"
    + _NUMBER
    + rb"){0,5})|(?P<name>/[^\0\t\n\f\r ()<>\[\]/%]++)"
    + _GAP
    + rb")(?P<operator><<|/DeviceCMYK"
    + _END
    + rb"|(?<![^\0\t\n\f\r ()<>\[\]/%])(?:SCN|scn|SC|sc|RG|rg|CS|cs|sh|BI|Tr|TJ|Tj|Do|[fbB]\*|[gGkKqQfFbBsS\"'])"
    + _END
    + rb")|/[^\0\t\n\f\r ()<>\[\]/%]++",
    re.DOTALL,
)
_COMMENT = re.compile(rb"%[^\r\n]*+")
# Operators that paint in the colour for areas, and in that for lines (8.5.3, 9.4.3).
_FILLS: Final = {"f", "F", "f*", "b", "b*", "B", "B*", "Tj", "TJ", "'", '"'}
_STROKES: Final = {"S", "s", "b", "b*", "B", "B*"}
_BLACK: Final = ("g", [0.0])


def colours_used(content: bytes, stencils: Container[str]) -> Iterator[tuple[str, list[float]]]:
    """Yield each operator that sets a colour, in lower case with its numbers (a pattern has none), and black if
    something is painted before a colour is set. `stencils`: the names of the pictures that are painted in the colour.

    Also yield each operator that draws in colours of its own; `/DeviceCMYK`, whose numbers mean ink rather than light;
    `<<`, because a dictionary in the contents could look like any operator; and a `Q` without its `q`.
    """
    saved, fills, strokes = list[tuple[bool, bool]](), False, False  # whether colours for areas and lines are set
    for found in _COLOUR.finditer(content):
        if not found["operator"]:
            continue
        operator = found["operator"].decode("ascii")
        numbers = [float(number) for number in _COMMENT.sub(b" ", found["numbers"] or b"").split()]
        match operator:
            case "q":
                saved.append((fills, strokes))
            case "Q" if saved:
                fills, strokes = saved.pop()
            case "cs":  # choosing a space also sets the colour to black
                fills = False
            case "CS":
                strokes = False
            case "Tr":  # outlines of letters are in the colour for lines
                yield from [] if numbers == [0.0] else [_BLACK]
            case "Do":
                yield from [_BLACK] if not fills and (found["name"] or b"").decode("latin-1") in stencils else []
            case _ if operator in _FILLS | _STROKES:
                is_set = (fills or operator not in _FILLS) and (strokes or operator not in _STROKES)
                yield from [] if is_set else [_BLACK]
            case _:
                fills, strokes = fills or operator.islower(), strokes or operator.isupper()
                yield operator.lower(), numbers


def names_drawn(
    content: bytes, resources: Mapping[str, Container[str]], steps: ContentSteps | None = None
) -> set[str] | None:
    """Return the names of the forms and pictures that the contents draw. None: programs may read them differently.

    No `Q` may come before its `q`, and every name has to be in the resources (`resources`: the names by kind), because
    programs look in different places for missing ones. `steps` takes each operator, and may refuse it.
    """
    names, depth, at = set[str](), 0, 0
    while at < len(content):
        readable = _READABLE.match(content, at)
        end = readable.end() if readable else at
        for name, operator, state in _MARK.findall(content, at, end):
            depth += (state == b"q") - (state == b"Q")
            named = name.decode("ascii")
            is_listed = bool(operator) and named in resources.get(_NAMED_IN[operator], ())
            # To some programs, a colour space in the resources with one of these names is another one.
            is_known = not operator or is_listed != (operator in (b"cs", b"CS") and named in _NEEDS_NO_RESOURCE)
            if depth < 0 or not is_known:
                return None
            if operator == b"Do":
                names.add(named)
        if steps and not all(steps.take(*each) for each in _operators_in(content, at, end)):
            return None
        if end == at:  # only a picture can follow
            picture = _PICTURE.match(content, at)
            closed = picture and _PICTURE_END.search(content, picture.end() - 1)
            is_mask = picture and _IS_MASK.search(picture[0])
            if not closed or (steps and not steps.take("BI", [float(bool(is_mask))], "")):
                return None
            end = closed.end()
        at = end
    return names


def _operators_in(content: bytes, at: int, end: int) -> Iterator[tuple[str, list[float], str]]:
    """Yield the operators of readable contents, each with its numbers and its last name."""
    numbers, name = list[float](), ""
    for number, named, operator in _TOKEN.findall(content, at, end):
        if operator:
            yield operator.decode("ascii"), numbers, name
            numbers, name = [], ""
        elif number:
            numbers.append(float(number))
        elif named:
            name = named.decode("ascii")
