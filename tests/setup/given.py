"""Right answers to every step, for tests that make one of them wrong."""

from __future__ import annotations

from tests.school_toml import ORGANISATION

CAMPUSES = "编号,上级,名称\nhq,,总部\neast,hq,东校区\n"
COURSES = (
    "校区,编号,课程,科目,课时,分钟,开课,结课,时间,地点,人数,老师,学费,退费\n"
    "east,drawing,素描,素描与造型,20,45,2027-03-06,2027-07-10,每周六 09:00,二楼画室,12,沈若溪,1800,"
    "首次上课之前 100；此后 80\n"
)
CODE = "52340100MJ00000015"
assert CODE in ORGANISATION


def right_answers() -> dict[str, dict[str, str]]:
    return {
        "origin": {"origin": "https://sign.school.example"},
        "organisation": {"name": "合肥市明德培训学校", "credit_code": CODE, "licence": "教民234010000000001号"},
        "campuses": {"table": CAMPUSES},
        "account": {"login": "office", "name": "周示范"},
        "courses": {"template": "course", "table": COURSES},
        "seal": {"kind": "request"},
        "timestamps": {"kind": "builtin"},
        "messages": {
            "kind": "email",
            "host": "mail.school.example",
            "port": "587",
            "security": "starttls",
            "username": "qianda",
            "password": "a password of the mail server",
            "mail_sender": "签达 <sign@school.example>",
            "to": "me@school.example",
        },
    }
