"""Names, identity documents, phone numbers and e-mail addresses: normalised, checked, compared and masked. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from hub.errors import BadInput

ADULT_AGE = 18  # 民法典 art. 17
_MAX_NAME = 60
_EARLIEST_BIRTH = date(1900, 1, 1)
_PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83".split()
)  # GB/T 2260; 81 to 83: residence permits
_ADDRESS = re.compile(r"[^@\s,;<>()]{1,64}@[^@\s,;<>()]{1,200}\.[^@\s,;<>().]{2,63}")
_DOTS = re.compile("[•‧∙・･．·]")  # variants that people type for the dot in a name such as 阿依·古丽


class IdType(StrEnum):
    """Kinds of identity documents. `cn-id` includes the residence permits of people from Hong Kong, Macau and Taiwan,
    whose numbers begin with 81, 82 or 83."""

    CN_ID = "cn-id"
    PASSPORT = "passport"
    HK_MACAU_PERMIT = "hk-macau-permit"
    TAIWAN_PERMIT = "taiwan-permit"
    FOREIGN_PERMANENT_ID = "foreign-permanent-id"


_PATTERNS = {
    IdType.PASSPORT: re.compile(r"(?=.*\d)[A-Z0-9]{5,12}"),
    IdType.HK_MACAU_PERMIT: re.compile(r"[HM]\d{8}(\d{2})?"),
    IdType.TAIWAN_PERMIT: re.compile(r"\d{8}|\d{10}[A-Z]?"),
    IdType.FOREIGN_PERMANENT_ID: re.compile(r"[A-Z]{3}\d{12}|9\d{16}[\dX]"),
}
_NAMES = {
    IdType.CN_ID: ("居民身份证", "Chinese ID card"),
    IdType.PASSPORT: ("护照", "Passport"),
    IdType.HK_MACAU_PERMIT: ("港澳居民来往内地通行证", "Mainland travel permit (Hong Kong, Macau)"),
    IdType.TAIWAN_PERMIT: ("台湾居民来往大陆通行证", "Mainland travel permit (Taiwan)"),
    IdType.FOREIGN_PERMANENT_ID: ("外国人永久居留身份证", "Foreign permanent resident ID card"),
}


@dataclass(frozen=True)
class IdDocument:
    """An identity document with its normalised number. Create it with `parse_id_document`, which checks it."""

    id_type: IdType
    number: str

    @property
    def birth_date(self) -> date | None:
        """The birth date contained in the number; None for documents without one."""
        if self.id_type is IdType.CN_ID:
            return _parse_date(self.number[6:14])
        if self.id_type is IdType.FOREIGN_PERMANENT_ID and len(self.number) == 18:
            return _parse_date(self.number[6:14])
        return None


def parse_id_document(id_type: str, number: str, *, field: str = "") -> IdDocument:
    """Return the document for a typed number, after normalising and checking it.

    Check digits: GB 11643 (ISO 7064 MOD 11-2), also for the 18-digit permanent resident card (since 2023). Raises
    BadInput, which never quotes the number.
    """
    try:
        kind = IdType(id_type)
    except ValueError:
        raise BadInput("Unknown kind of identity document.", field=field) from None
    normal = normalise_id_number(number)
    if not normal:
        raise BadInput("The document number is missing.", field=field)
    if kind is IdType.CN_ID:
        _check_cn_id(normal, field)
    elif not _PATTERNS[kind].fullmatch(normal):
        raise BadInput("This is not a valid number for this kind of document.", field=field)
    elif kind is IdType.FOREIGN_PERMANENT_ID and len(normal) == 18:
        _check_foreign_id(normal, field)
    return IdDocument(kind, normal)


def format_id_type(id_type: str, language: str) -> str:
    """Return the name of the document as contracts show it."""
    chinese, english = _NAMES[IdType(id_type)]
    return chinese if language == "zh" else english


def normalise_name(text: str, *, field: str = "") -> str:
    """Return a normalised name: one space between words, one kind of dot, at least one letter. Raises BadInput."""
    normal = " ".join(_DOTS.sub("·", unicodedata.normalize("NFKC", text)).split())
    if not normal:
        raise BadInput("The name is missing.", field=field)
    kinds = {unicodedata.category(character)[0] for character in normal}
    if len(normal) > _MAX_NAME or "C" in kinds or "L" not in kinds:  # such as 0, from a formula that was never computed
        raise BadInput("This is not a valid name.", field=field)
    return normal


def same_name(one: str, other: str) -> bool:
    """Return whether two names are the same, ignoring case, width, spaces and dots."""
    return _fold_name(one) == _fold_name(other) != ""


def compute_age(birth_date: date, day: date) -> int:
    """Return the age in completed years. A birthday on 29 February counts as 1 March in other years."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


def can_be_birth_date(birth_date: date, day: date) -> bool:
    return _EARLIEST_BIRTH <= birth_date <= day


def is_minor(birth_date: date, day: date) -> bool:
    return compute_age(birth_date, day) < ADULT_AGE


def normalise_phone(text: str, *, field: str = "") -> str:
    """Return a mobile number as E.164, such as +8619000000001. A number without a country code counts as Chinese.

    Raises BadInput, which never quotes the number.
    """
    import phonenumbers  # slow to load, and few processes need it

    try:
        number = phonenumbers.parse(unicodedata.normalize("NFKC", text), "CN")
    except phonenumbers.NumberParseException:
        raise BadInput("This is not a phone number.", field=field) from None
    if not phonenumbers.is_valid_number(number):
        raise BadInput("This phone number does not exist.", field=field)
    kinds = phonenumbers.PhoneNumberType
    if phonenumbers.number_type(number) not in (kinds.MOBILE, kinds.FIXED_LINE_OR_MOBILE):
        raise BadInput("This is not a mobile number, so it cannot receive messages.", field=field)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def mask_phone(e164: str) -> str:
    """Mask a number: +8619000000001 → +86 190****0001. An erased number becomes a dash."""
    if not e164:
        return "–"
    import phonenumbers

    number = phonenumbers.parse(e164)
    national = phonenumbers.national_significant_number(number)
    shown = 3 if len(national) >= 10 else 0
    return f"+{number.country_code} {national[:shown]}{'*' * (len(national) - shown - 4)}{national[-4:]}"


def check_address(text: str, *, field: str = "email") -> str:
    """Return an e-mail address without blanks around it. Raises BadInput."""
    address = text.strip()
    if not address.isprintable() or not _ADDRESS.fullmatch(address):
        raise BadInput("this is not an e-mail address", field=field)
    return address


def mask_email(address: str) -> str:
    """Mask an e-mail address: chen.xm@example.com → c***@example.com."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}" if local else "–"


def format_phone(e164: str) -> str:
    """Return a full number in groups: +8619000000001 → +86 190 0000 0001. An erased number becomes a dash."""
    if not e164:
        return "–"
    import phonenumbers

    return phonenumbers.format_number(phonenumbers.parse(e164), phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def is_phone(typed: str, phone: str) -> bool:
    """Return whether what was typed is this mobile number (E.164)."""
    if typed == phone or strip_separators(typed)[-4:] != phone[-4:]:  # parsing takes long
        return typed == phone
    try:
        return normalise_phone(typed) == phone
    except BadInput:
        return False


def mask_id(number: str) -> str:
    """Mask all but the last four characters, or all characters of a number with five or fewer."""
    shown = 4 if len(number) > 5 else 0
    return "*" * (len(number) - shown) + number[len(number) - shown :]


def mask_name(name: str) -> str:
    """Mask a name: 陈小满 → 陈*满, 陈满 → 陈*, Maria Gonzalez → M**** G*******."""
    if name.isascii():
        return " ".join(word[:1] + "*" * (len(word) - 1) for word in name.split())
    return name[:1] + "*" * max(1, len(name) - 2) + (name[-1:] if len(name) > 2 else "")


def strip_separators(text: str) -> str:
    """Return a typed number without spaces and hyphens, in half-width characters."""
    return "".join(unicodedata.normalize("NFKC", text).split()).replace("-", "")


def normalise_id_number(text: str) -> str:
    """Return a document number as it is compared: as `strip_separators` returns it, in capitals."""
    return strip_separators(text).upper()


def _check_cn_id(number: str, field: str) -> None:
    from stdnum.cn import ric  # slow to load

    if not re.fullmatch(r"\d{17}[\dX]", number):
        raise BadInput("A Chinese ID number has 18 digits; the last one may be X.", field=field)
    # Not ric.validate: it refuses valid numbers of people who are older than the district in which they are registered.
    born = _parse_date(number[6:14])
    if number[:2] not in _PROVINCES or ric.calc_check_digit(number) != number[-1]:
        raise BadInput("The ID number is mistyped: its check digit does not match.", field=field)
    if born is None or born < _EARLIEST_BIRTH:
        raise BadInput("The birth date in the ID number is not valid.", field=field)


def _check_foreign_id(number: str, field: str) -> None:
    from stdnum.iso7064 import mod_11_2

    if not mod_11_2.is_valid(number) or _parse_date(number[6:14]) is None:
        raise BadInput("The number is mistyped: its check digit does not match.", field=field)


def _parse_date(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


def _fold_name(name: str) -> str:
    return "".join(_DOTS.sub("", unicodedata.normalize("NFKC", name)).split()).casefold()
