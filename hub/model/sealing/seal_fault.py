"""Reasons why a file was not sealed: codes for other systems, and sentences for people. Pure."""

from __future__ import annotations

from enum import StrEnum


class SealFault(StrEnum):
    """The reason why one file of a seal job fails. The other files are not affected."""

    NOT_A_DOCUMENT = "not-a-document"
    DAMAGED = "damaged"
    ENCRYPTED = "encrypted"
    HYBRID = "hybrid"
    HOSTILE = "hostile"
    TOO_LARGE = "too-large"
    UNSUITABLE = "unsuitable"
    XFA_FORM = "xfa-form"
    LOCKED = "locked"
    CERTIFIED = "certified"
    SIGNED_ALREADY = "signed-already"
    NO_FIELD = "no-field"
    FIELD_NOT_EMPTY = "field-not-empty"
    FIELD_DEMANDS = "field-demands"
    NO_PAGE = "no-page"
    OUTSIDE_PAGE = "outside-page"
    ONE_PAGE = "one-page"
    KEYWORD_MISSING = "keyword-missing"
    KEYWORD_AMBIGUOUS = "keyword-ambiguous"
    KEYWORD_TOO_FEW = "keyword-too-few"
    NOT_FOR_OFD = "not-for-ofd"
    NO_OFD_SEAL = "no-ofd-seal"
    OFD_SEAL_EXPIRED = "ofd-seal-expired"
    SOURCE_MISSING = "source-missing"
    SOURCE_CHANGED = "source-changed"
    STORE_DENIED = "store-denied"
    SEAL_REFUSED = "seal-refused"
    GAVE_UP = "gave-up"


class CannotSeal(Exception):
    """One file cannot be sealed. `fault`: the reason."""

    def __init__(self, fault: SealFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


# The sentences in English and Chinese that a job's result shows.
SENTENCES: dict[SealFault, tuple[str, str]] = {
    SealFault.NOT_A_DOCUMENT: ("The file is neither a PDF nor an OFD.", "该文件既不是 PDF，也不是 OFD。"),
    SealFault.DAMAGED: ("The file is damaged.", "文件已损坏。"),
    SealFault.ENCRYPTED: ("The file is encrypted. Remove its password first.", "文件已加密，请先去除密码保护。"),
    SealFault.HYBRID: (
        "The file has cross-reference tables of both kinds (hybrid). Save it again first.",
        "文件为混合交叉引用格式，请先另存为普通 PDF。",
    ),
    SealFault.HOSTILE: (
        "Reading the file took too much time or memory, or crashed the reader.",
        "读取该文件耗时过长、占用内存过多，或使读取程序崩溃。",
    ),
    SealFault.TOO_LARGE: ("The file is too large.", "文件过大。"),
    SealFault.UNSUITABLE: (
        "The structure of the file does not allow anything to be added safely.",
        "文件结构特殊，无法安全地追加签章。",
    ),
    SealFault.XFA_FORM: ("The file has an XFA form.", "文件含 XFA 表单，不能加盖印章。"),
    SealFault.LOCKED: (
        "An earlier signature in the file does not allow further signatures.",
        "文件已有的签名不允许再追加签名。",
    ),
    SealFault.CERTIFIED: (
        "The file is certified, so only a field that it already has can be signed. Name the field.",
        "文件已认证，只能在已有的签名域中签章，请指定签名域名称。",
    ),
    SealFault.SIGNED_ALREADY: (
        "The file is already signed, so a further seal can be in one place only, not across its pages.",
        "文件已签名，追加的印章只能盖在一处，不能再盖骑缝章。",
    ),
    SealFault.NO_FIELD: ("The file has no such field.", "文件中没有该签名域。"),
    SealFault.FIELD_NOT_EMPTY: ("The field is not an empty signature field.", "该域不是空白签名域。"),
    SealFault.FIELD_DEMANDS: (
        "The field requires a particular kind of signature.",
        "该签名域限定了签名方式，无法满足。",
    ),
    SealFault.NO_PAGE: ("The file has no such page.", "文件没有该页。"),
    SealFault.OUTSIDE_PAGE: ("The seal would not fit on the page.", "印章会超出页面范围。"),
    SealFault.ONE_PAGE: ("A seal across pages needs at least two pages.", "骑缝章至少需要两页。"),
    SealFault.KEYWORD_MISSING: ("The keyword is not in the file.", "文件中找不到该关键字。"),
    SealFault.KEYWORD_AMBIGUOUS: (
        "The keyword is in the file more than once. Say which one, or all.",
        "关键字在文件中出现多次，请指明第几处或全部。",
    ),
    SealFault.KEYWORD_TOO_FEW: ("The keyword does not occur that often in the file.", "关键字出现次数不足。"),
    SealFault.NOT_FOR_OFD: (
        "In an OFD, a seal is placed by page or across pages only.",
        "OFD 文件只支持按页坐标或骑缝盖章。",
    ),
    SealFault.NO_OFD_SEAL: (
        "This seal has no SM2 key, which an OFD needs.",
        "该印章没有 SM2 密钥，不能用于 OFD 文件。",
    ),
    SealFault.OFD_SEAL_EXPIRED: (
        "The SM2 certificate of this seal is not valid now, or is for another key.",
        "该印章的 SM2 证书当前无效，或与密钥不符。",
    ),
    SealFault.SOURCE_MISSING: ("The file is not at the place that was named.", "在指定位置找不到该文件。"),
    SealFault.SOURCE_CHANGED: ("The file has changed since the job was requested.", "任务提交后文件发生了变化。"),
    SealFault.STORE_DENIED: (
        "The object store denies access to this object (403), even after several tries.",
        "对象存储多次拒绝访问该对象（403）。",
    ),
    SealFault.SEAL_REFUSED: ("The seal may not be used for this.", "该印章不得用于此文件。"),
    SealFault.GAVE_UP: (
        "Sealing this file crashed its worker several times. It is not tried again.",
        "处理该文件多次导致程序中断，不再重试。",
    ),
}
