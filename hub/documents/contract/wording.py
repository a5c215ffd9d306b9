"""Format amounts and dates for a contract, in Chinese and English."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = ("仟", "佰", "拾", "")
_GROUPS = ("", "万", "亿", "兆")
_PLAIN = "零一二三四五六七八九"
_MONTHS = "January February March April May June July August September October November December".split()


def capital_amount(amount: Decimal) -> str:
    """Return the amount in Chinese capital numerals (大写), which no stroke can alter: 2880 → 贰仟捌佰捌拾元整.

    Rules: the People's Bank of China's "正确填写票据和结算凭证的基本规定". Raises ValueError unless the amount has at
    most two decimals and is below 10^16.
    """
    cents = int(amount * 100)
    if cents != amount * 100 or not 0 <= cents < 10**18:
        raise ValueError(f"not an amount of money: {amount}")
    yuan, jiao, fen = cents // 100, cents // 10 % 10, cents % 10
    text = _capital_whole(yuan) + "元" if yuan else ""
    if not jiao and not fen:
        return (text or "零元") + "整"
    text += f"{_DIGITS[jiao]}角" if jiao else ("零" if yuan else "")
    return text + (f"{_DIGITS[fen]}分" if fen else "整")


def _capital_whole(number: int) -> str:
    text, gap = "", False
    for index in range(len(_GROUPS) - 1, -1, -1):
        group = number // 10000**index % 10000
        if not group:
            gap = bool(text)
            continue
        if text and (gap or group < 1000):
            text += "零"
        text, gap = text + _capital_group(group) + _GROUPS[index], False
    return text


def _capital_group(group: int) -> str:
    text, gap = "", False
    for place, digit in zip(_PLACES, f"{group:04d}", strict=True):
        if digit == "0":
            gap = bool(text)
            continue
        text, gap = text + ("零" if gap else "") + _DIGITS[int(digit)] + place, False
    return text


def money(amount: Decimal) -> str:
    """Return an amount with two decimals: 2880 → 2,880.00"""
    return f"{amount:,.2f}"


def chinese_number(number: int) -> str:
    """Return a number from 1 to 99 in Chinese, as in an article's heading: 12 → 十二. Raises ValueError for others."""
    if not 1 <= number <= 99:
        raise ValueError(f"not between 1 and 99: {number}")
    tens, ones = divmod(number, 10)
    return (("" if tens == 1 else _PLAIN[tens]) + "十" if tens else "") + (_PLAIN[ones] if ones else "")


def day(value: date, language: str) -> str:
    """Return a date as 2026年12月5日, or 5 December 2026."""
    if language == "zh":
        return f"{value.year}年{value.month}月{value.day}日"
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def minute(local: datetime, language: str) -> str:
    """Return a moment, in its own time zone, as 2026年12月5日 18:00, or 5 December 2026 18:00."""
    return f"{day(local, language)} {local:%H:%M}"
