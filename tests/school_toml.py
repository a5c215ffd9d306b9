"""The file of an invented school, for tests that apply or install it."""

from __future__ import annotations

ORGANISATION = """
[school]
name = "合肥市明德培训学校"
name_en = "Mingde School"
short_name = "明德"
credit_code = "52340100MJ00000015"
licence = "教民234010000000001号"
"""
CAMPUSES = """
[[campus]]
id = "hq"
name = "总部"
name_en = "Headquarters"
address = "安徽省合肥市示范路 2 号"
phone = "0551-00000010"

[[campus]]
id = "east"
parent = "hq"
name = "东校区"

[[campus]]
id = "west"
parent = "hq"
name = "西校区"
zone = "Asia/Urumqi"

[[campus]]
id = "west-annex"
parent = "west"
name = "西校区二部"
"""
COURSES = """
[[course]]
campus = "east"
id = "drawing"
name = "素描"
name_en = "Drawing"
[course.details]
subject = "素描与造型"
lessons = 20
minutes = 45
starts = 2027-03-06
ends = 2027-07-10
schedule = "每周六 09:00–09:45"
schedule_en = "Saturdays 09:00–09:45"
place = "二楼画室"
class_size = 12
teacher = "沈若溪"
price = 1800
refund_steps = [
    { when = "首次上课之前", when_en = "Before the first lesson", share = 100 },
    { when = "此后", share = 80 },
]
"""
SCHOOL = 'templates = ["course"]\n' + ORGANISATION + CAMPUSES + COURSES
