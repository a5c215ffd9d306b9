"""The people of the tests: invented, with valid documents."""

from __future__ import annotations

from hub.lifecycle.contract.new_contract import NewSigner, NewStudent
from hub.model.contract.signer import Role
from tests.running import ADULT_ID, GUARDIAN_ID, GUARDIAN_PHONE, STUDENT_PHONE

MOTHER_PHONE, MOTHER_ID = "+8619000000103", "340104198703030042"
HEAD_PHONE, HEAD_ID = "+8619000000104", "340104197001010018"
ADULT = NewStudent("林知夏", "cn-id", ADULT_ID)


def father(order: int = 1) -> NewSigner:
    return NewSigner(Role.GUARDIAN, "陈建国", GUARDIAN_PHONE, GUARDIAN_ID, relation="父亲", order=order)


def mother(order: int = 1) -> NewSigner:
    return NewSigner(Role.GUARDIAN, "周文静", MOTHER_PHONE, MOTHER_ID, relation="母亲", order=order)


def head(order: int = 2) -> NewSigner:
    return NewSigner(Role.REPRESENTATIVE, "顾远舟", HEAD_PHONE, HEAD_ID, order=order)


def adult(order: int = 1) -> NewSigner:
    return NewSigner(Role.STUDENT, "林知夏", STUDENT_PHONE, ADULT_ID, order=order)


def two_guardians(first: int, second: int) -> tuple[NewSigner, NewSigner]:
    return father(first), mother(second)
