"""Reasons why a file was not sealed: codes for other systems, and sentences for people. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class SealFault(StrEnum):
    """The reason why one file of a seal job fails: its code, and the sentences in `english` and `chinese` that the
    result shows. The other files are not affected."""

    english: str
    chinese: str

    def __new__(cls, code: str, english: str = "", chinese: str = "") -> Self:  # defaults: for a look-up by code
        fault = str.__new__(cls, code)
        fault._value_ = code
        fault.english, fault.chinese = english, chinese
        return fault

    NOT_A_DOCUMENT = "not-a-document", "The file is neither a PDF nor an OFD.", "该文件既不是 PDF，也不是 OFD。"
    DAMAGED = "damaged", "The file is damaged.", "文件已损坏。"
    ENCRYPTED = "encrypted", "The file is encrypted. Remove its password first.", "文件已加密，请先去除密码保护。"
    HYBRID = (
        "hybrid",
        "The file has cross-reference tables of both kinds (hybrid). Save it again first.",
        "文件为混合交叉引用格式，请先另存为普通 PDF。",
    )
    HOSTILE = (
        "hostile",
        "Reading the file took too much time or memory, or crashed the reader.",
        "读取该文件耗时过长、占用内存过多，或使读取程序崩溃。",
    )
    TOO_LARGE = "too-large", "The file is too large.", "文件过大。"
    UNSUITABLE = (
        "unsuitable",
        "The structure of the file does not allow anything to be added safely.",
        "文件结构特殊，无法安全地追加签章。",
    )
    XFA_FORM = "xfa-form", "The file has an XFA form.", "文件含 XFA 表单，不能加盖印章。"
    LOCKED = (
        "locked",
        "An earlier signature in the file does not allow further signatures.",
        "文件已有的签名不允许再追加签名。",
    )
    CERTIFIED = (
        "certified",
        "The file is certified, so only a field that it already has can be signed. Name the field.",
        "文件已认证，只能在已有的签名域中签章，请指定签名域名称。",
    )
    SIGNED_ALREADY = (
        "signed-already",
        "The file is already signed, so a further seal can be in one place only, not across its pages.",
        "文件已签名，追加的印章只能盖在一处，不能再盖骑缝章。",
    )
    NO_FIELD = "no-field", "The file has no such field.", "文件中没有该签名域。"
    FIELD_NOT_EMPTY = "field-not-empty", "The field is not an empty signature field.", "该域不是空白签名域。"
    FIELD_DEMANDS = (
        "field-demands",
        "The field requires a particular kind of signature.",
        "该签名域限定了签名方式，无法满足。",
    )
    NO_PAGE = "no-page", "The file has no such page.", "文件没有该页。"
    OUTSIDE_PAGE = "outside-page", "The seal would not fit on the page.", "印章会超出页面范围。"
    ONE_PAGE = "one-page", "A seal across pages needs at least two pages.", "骑缝章至少需要两页。"
    KEYWORD_MISSING = "keyword-missing", "The keyword is not in the file.", "文件中找不到该关键字。"
    KEYWORD_AMBIGUOUS = (
        "keyword-ambiguous",
        "The keyword is in the file more than once. Say which one, or all.",
        "关键字在文件中出现多次，请指明第几处或全部。",
    )
    KEYWORD_TOO_FEW = "keyword-too-few", "The keyword does not occur that often in the file.", "关键字出现次数不足。"
    NOT_FOR_OFD = (
        "not-for-ofd",
        "In an OFD, a seal is placed by page or across pages only.",
        "OFD 文件只支持按页坐标或骑缝盖章。",
    )
    NO_OFD_SEAL = (
        "no-ofd-seal",
        "This seal has no SM2 key, which an OFD needs.",
        "该印章没有 SM2 密钥，不能用于 OFD 文件。",
    )
    OFD_SEAL_EXPIRED = (
        "ofd-seal-expired",
        "The SM2 certificate of this seal is not valid now, or is for another key.",
        "该印章的 SM2 证书当前无效，或与密钥不符。",
    )
    SOURCE_MISSING = "source-missing", "The file is not at the place that was named.", "在指定位置找不到该文件。"
    SOURCE_CHANGED = "source-changed", "The file has changed since the job was requested.", "任务提交后文件发生了变化。"
    STORE_DENIED = (
        "store-denied",
        "The object store denies access to this object (403), even after several tries.",
        "对象存储多次拒绝访问该对象（403）。",
    )
    SEAL_REFUSED = "seal-refused", "The seal may not be used for this.", "该印章不得用于此文件。"
    GAVE_UP = (
        "gave-up",
        "Sealing this file crashed its worker several times. It is not tried again.",
        "处理该文件多次导致程序中断，不再重试。",
    )


class CannotSeal(Exception):
    """One file cannot be sealed. `fault`: the reason."""

    def __init__(self, fault: SealFault) -> None:
        super().__init__(fault.value)
        self.fault = fault
