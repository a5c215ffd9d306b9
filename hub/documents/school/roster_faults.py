"""What can be wrong with a row of the roster, and how to correct it, in both languages."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class Fault(Enum):
    """A fault. Its value: what is wrong and how to correct it, in Chinese, then the same in English."""

    NAME_MISSING = ("没有填写姓名", "请填写姓名", "The name is missing", "Enter the name")
    NAME_WRONG = (
        "不像姓名",
        "请检查姓名，不要超过 60 个字符",
        "This cannot be a name",
        "Check it; at most 60 characters",
    )
    NAME_UNDRAWABLE = (
        "有合同字体无法显示的字符：{characters}",
        "请按证件上的写法重新输入，不要使用表情或自造字",
        "The contract's font cannot show: {characters}",
        "Enter it as the document has it; no emoji, no private characters",
    )
    ID_MISSING = ("没有填写证件号码", "请填写证件号码", "The document number is missing", "Enter it")
    ID_TYPE = (
        "不认识的证件类型",
        "请填写：居民身份证、护照、港澳通行证、台湾通行证或外国人永久居留身份证",
        "The kind of document is not known",
        "Use cn-id, passport, hk-macau-permit, taiwan-permit or foreign-permanent-id",
    )
    ID_WRONG = (
        "证件号码不正确：位数、日期或校验码不符",
        "请对照证件逐位核对",
        "The document number is wrong: its length, date or check digit",
        "Compare it with the document, character by character",
    )
    ID_LOST_DIGITS = (
        "证件号码被表格软件存成了数字，末尾几位已经丢失",
        "请把该列设为“文本”格式后重新输入完整号码",
        "The spreadsheet stored the number as a figure; its last digits are lost",
        "Format the column as text and enter the whole number again",
    )
    ID_LOST_ZEROS = (
        "证件号码被表格软件存成了数字，开头的 0 已经丢失",
        "请把该列设为“文本”格式后重新输入完整号码",
        "The spreadsheet stored the number as a figure; its leading zeros are lost",
        "Format the column as text and enter the whole number again",
    )
    BIRTH_DATE = (
        "出生日期无法识别",
        "请写成 2014-03-05 这样的日期；没有身份证号码时必须填写",
        "The birth date is missing or cannot be read",
        "Write it like 2014-03-05; it is required without a Chinese ID number",
    )
    BIRTH_DATE_IMPOSSIBLE = (
        "出生日期不在 1900 年至今天之间",
        "请核对出生日期和证件号码",
        "The birth date is not between 1900 and today",
        "Check the birth date and the document number",
    )
    BIRTH_DATE_DIFFERS = (
        "出生日期与证件号码不一致",
        "请核对两者，以证件为准",
        "The birth date is not that of the ID number",
        "Check both against the document",
    )
    PHONE_MISSING = ("没有填写手机号码", "请填写手机号码", "The mobile number is missing", "Enter it")
    PHONE_WRONG = (
        "不是有效的手机号码",
        "请核对；境外号码前加 + 和国家代码",
        "This is not a mobile number",
        "Check it; numbers from abroad begin with + and the country code",
    )
    PHONE_LOST_DIGITS = (
        "手机号码被表格软件写成了 1.38E+10 这样的形式，末尾几位已经丢失",
        "请把该列设为“文本”格式后重新输入完整号码",
        "The spreadsheet wrote the number like 1.38E+10; its last digits are lost",
        "Format the column as text and enter the whole number again",
    )
    EMAIL_WRONG = (
        "不是有效的邮箱地址",
        "请核对；没有邮箱请留空",
        "This is not an e-mail address",
        "Check it; leave it empty if there is none",
    )
    GUARDIAN_MISSING = (
        "学员未满十八周岁，没有监护人",
        "请填写监护人姓名、证件和手机",
        "The student is under 18 and has no guardian",
        "Enter the guardian's name, document and mobile number",
    )
    GUARDIAN_WRONG = (
        "监护人须为成年人，且不能是学员本人",
        "请核对监护人的证件号码",
        "A guardian has to be an adult, and not the student",
        "Check the guardian's document number",
    )
    DOCUMENTS_SWAPPED = (
        "学员已成年，监护人却未满十八周岁：两人的证件号码可能填反了",
        "请对照证件核对两个证件号码",
        "The student is an adult, but the guardian is under 18: their document numbers may be swapped",
        "Compare both numbers with the documents",
    )
    TOTAL_ROW = (
        "这一行像是合计行，不是学员",
        "不必改正，也不会导入；如果是学员，请填写证件号码",
        "This looks like a row of totals, not a student",
        "Nothing to correct: it is not imported. If it is a student, enter the document number",
    )
    CAMPUS_MISSING = ("没有填写校区", "请填写校区名称或编号", "The campus is missing", "Enter its name or id")
    CAMPUS_UNKNOWN = (
        "没有这个校区{offered}",
        "请填写校区名称或编号",
        "There is no such campus{offered}",
        "Enter its name or id",
    )
    CAMPUS_NOT_YOURS = (
        "您的账号不能为这个校区导入",
        "请由该校区或总部导入",
        "Your account may not import for this campus",
        "Ask that campus or headquarters",
    )
    COURSE_MISSING = ("没有填写课程", "请填写课程名称或编号", "The course is missing", "Enter its name or id")
    COURSE_UNKNOWN = (
        "该校区没有这门课程{offered}",
        "请填写课程名称或编号",
        "There is no such course at this campus{offered}",
        "Enter its name or id",
    )
    NAME_OF_SEVERAL = ("有几个同名的{offered}", "请填写编号", "Several have this name{offered}", "Enter the id")
    LANGUAGE = ("不认识的语言", "请填写 zh 或 en", "The language is not known", "Use zh or en")
    DUPLICATE = (
        "与第 {row} 行重复",
        "同一学员同一课程只保留一行；报名编号不得重复",
        "The same as row {row}",
        "Keep one row for a student and course; enrolment numbers must differ",
    )

    def what(self, language: str, **details: object) -> str:
        return self.value[0 if language == "zh" else 2].format(**details)

    @staticmethod
    def offer(names: Sequence[str], language: str) -> str:
        """Return the end of a sentence that offers the possible meanings."""
        if not names:
            return ""
        return f"，是不是：{'、'.join(names)}" if language == "zh" else f"; did you mean {', '.join(names)}?"

    def how(self, language: str) -> str:
        return self.value[1 if language == "zh" else 3]
