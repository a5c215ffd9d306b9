"""Contract data for the tests: invented people, in both languages."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from hub.documents.contract.clauses import ClauseWriter
from hub.documents.contract.contract_data import (
    CampusFacts,
    ContractData,
    CourseFacts,
    GuardianFacts,
    RefundStep,
    SchoolFacts,
    SignerFacts,
    StudentFacts,
)
from hub.documents.contract.contract_templates import ContractTemplates
from hub.documents.contract.layout import ContractPrinter
from hub.documents.fonts import ContractFont

TEMPLATES = Path(__file__).parents[2] / "hub" / "templates" / "contracts"
ISSUED_AT = datetime(2026, 12, 1, 2, 30, tzinfo=UTC)
SCHOOL = SchoolFacts("新航线教育集团", "91340100MA00000000", "教民134010070000000号")


def course(name: str = "数学素养 A") -> CourseFacts:
    return CourseFacts(
        name=name,
        subject="数学素养与问题解决",
        lessons=40,
        minutes=45,
        starts=date(2026, 12, 7),
        ends=date(2027, 2, 26),
        schedule="每周一、周三 18:30–20:00",
        place="二楼 203 教室",
        class_size=16,
        teacher="周明远",
        price=Decimal("2880"),
        materials_fee=Decimal("120.50"),
        refund_steps=(
            RefundStep("首次上课之前", 100),
            RefundStep("已上课时不超过总课时的三分之一", 100),
            RefundStep("已上课时超过三分之一、不超过三分之二", 95),
            RefundStep("已上课时超过三分之二", 90),
        ),
    )


def minor(
    student: str = "陈小满", guardians: int = 1, representatives: int = 0, course_name: str = "数学素养 A"
) -> ContractData:
    people = tuple(
        GuardianFacts(name, relation, "+86 190****0001", "居民身份证", "*" * 14 + "0008")
        for name, relation in (("陈大川", "父亲"), ("欧阳示范", "母亲"), ("林守成", "祖父"), ("林阿婆", "祖母"))[
            :guardians
        ]
    )
    signers = [SignerFacts(f"guardian-{index}", "监护人", person.name) for index, person in enumerate(people, 1)]
    signers += [SignerFacts(f"representative-{index}", "校方代表", "周明远") for index in range(1, representatives + 1)]
    return ContractData(
        number="HF-2026-000001",
        date=date(2026, 12, 1),
        issued_at=ISSUED_AT,
        school=SCHOOL,
        campus=CampusFacts("合肥校区", "安徽省合肥市示范路 1 号", "0551-0000 0001"),
        student=StudentFacts(student, "居民身份证", "**************1234", date(2014, 3, 5)),
        guardians=people,
        signers=tuple(signers),
        course=course(course_name),
    )


def adult(student: str = "Maria Gonzalez") -> ContractData:
    data = minor()
    return ContractData(
        number=data.number,
        date=data.date,
        issued_at=data.issued_at,
        school=SchoolFacts("New Course Education Group", SCHOOL.credit_code, SCHOOL.licence),
        campus=CampusFacts("Guangzhou campus", "1 Example Road, Guangzhou", "020-0000 0001"),
        student=StudentFacts(student, "Passport", "*****1234", date(1998, 3, 5), "+86 190****0009"),
        signers=(SignerFacts("student-1", "Student", student),),
        course=CourseFacts(
            **{
                **{name: getattr(data.course, name) for name in CourseFacts.__dataclass_fields__},
                "name": "Spoken Mandarin for newcomers",
                "subject": "Mandarin, levels HSK 1 and 2",
                "schedule": "Mondays and Wednesdays 18:30–20:00",
                "place": "Room 203",
                "teacher": "Zhou Mingyuan",
                "refund_steps": (
                    RefundStep("Before the first lesson", 100),
                    RefundStep("Up to one third of the lessons held", 100),
                    RefundStep("Up to two thirds of the lessons held", 95),
                    RefundStep("Later", 90),
                ),
            }
        ),
    )


def contract_pdf(data: ContractData | None = None, language: str = "zh") -> bytes:
    """Return the course contract as the product lays it out, before it has signature fields."""
    writer = ClauseWriter()
    try:
        printer = ContractPrinter(ContractTemplates(TEMPLATES), writer, ContractFont())
        return printer.lay_out("course", language, data or minor()).pdf
    finally:
        writer.close()
