"""What each role may do, and who may give it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set as AbstractSet
from uuid import uuid4

import pytest

from hub.errors import AccountNotFound, BadInput, LastOwner, OwnAccount, RoleAboveOwn
from hub.model.evidence.record_facts import is_allowed_in_clear
from hub.model.staff.accounts import Staff
from hub.model.staff.administration import Administrator, check_may_give, check_may_manage, check_owner_remains
from hub.model.staff.roles import PERMISSIONS, Permission, StaffRole, list_grantable_roles, may, may_grant
from hub.model.staff.scope import EVERYTHING, Scope
from hub.web.staff import ACTS, PAGES
from hub.web.staff.staff.access import StaffRoute

HEFEI = Scope(frozenset({"hefei"}))
# What changes nothing but what one sees, and one's own account.
READING = {
    Permission.OWN_ACCOUNT,
    Permission.READ_CONTRACT,
    Permission.READ_RECORD,
    Permission.READ_REPORTS,
    Permission.READ_SEALS,
    Permission.EXPORT,
}

_LEADERS = {StaffRole.OWNER, StaffRole.HEADQUARTERS}
_MANAGERS = _LEADERS | {StaffRole.CAMPUS_MANAGER}
_CLERKS = _MANAGERS | {StaffRole.CLERK}
_LEGAL, _AUDITOR, _SEAL_KEEPER = {StaffRole.LEGAL}, {StaffRole.AUDITOR}, {StaffRole.SEAL_KEEPER}
# Who may open a page, and who may send a form, below `/staff`. The first expression that fits an address counts.
OPENED_BY = {
    r"/(doctor|rehearsal|school.*|keys|chats)": _LEADERS,
    r"/(persons|holds)": _LEADERS | _LEGAL,
    r"/accounts.*": _MANAGERS,
    r"/record": _MANAGERS | _LEGAL | _AUDITOR | _SEAL_KEEPER,
    r"/reports.*": _MANAGERS | _AUDITOR,
    r"/seals/new": _LEADERS | _SEAL_KEEPER,
    r"/seals/{seal}/(revoke|grant|sm2)": {StaffRole.OWNER} | _SEAL_KEEPER,
    r"/seals.*": _MANAGERS | _LEGAL | _AUDITOR | _SEAL_KEEPER,
    r"/contracts/{id}/(void|paper)": _CLERKS | _LEGAL,
    r"/contracts/{id}/(links|desk|attachments)/.*": _CLERKS,
    r"/(enrolments/{enrolment}|issue|issue/document|import.*|tasks/{task}/answer)": _CLERKS,
    r"/(phone-changes/{change}|posters/new|posters/{poster}/revoke)": _CLERKS,
    r"|/(changes|account.*|enrolments|issued/{act}|tasks|messages|policies|phone-changes)": set(StaffRole),
    r"/(remind/{act}|bulk/{act}|posters.*|texts.*|contracts/{id}.*)": set(StaffRole),
}
SENT_BY = {
    r"/account/.*": set(StaffRole),
    r"/(rehearsal|school.*|sending/.*|keys.*|chats.*)": _LEADERS,
    r"/(persons.*|holds.*|texts/.*)": _LEADERS | _LEGAL,
    r"/(accounts.*|policies.*|issued/{act}/(approve|refuse))": _MANAGERS,
    r"/reports/.*": _MANAGERS | _AUDITOR,
    r"/(export|download).*": _CLERKS | _LEGAL | _AUDITOR,
    r"/seals/(new|{seal}/(approve|reject|suspend))": _LEADERS | _SEAL_KEEPER,
    r"/seals/.*": {StaffRole.OWNER} | _SEAL_KEEPER,
    r"/(extend.*|void.*|contracts/{id}/(extend|void|paper))": _CLERKS | _LEGAL,
    r"/(enrolments|issue|import|imports|tasks|remind|reissue|codes|phone-changes|posters)(/.*)?": _CLERKS,
    r"/issued/{act}/take-back": _CLERKS,
    r"/contracts/{id}/((remind|reissue)|(phone|reveal|replace)/{signer}|devices/{device}/revoke)": _CLERKS,
}


def staff_of(role: StaffRole, campus: str = "hefei") -> Staff:
    return Staff(uuid4(), "wang", "王示范", campus, role)


def test_every_role_has_its_permissions_and_every_permission_a_role() -> None:
    assert set(PERMISSIONS) == set(StaffRole)
    assert set(Permission) == PERMISSIONS[StaffRole.OWNER]
    assert all(may(role, Permission.OWN_ACCOUNT) and may(role, Permission.READ_CONTRACT) for role in StaffRole)


def test_an_auditor_reads_and_changes_nothing() -> None:
    assert PERMISSIONS[StaffRole.AUDITOR] == READING


@pytest.mark.parametrize(
    ("role", "gives"),
    [
        ("owner", "owner headquarters campus-manager clerk seal-keeper legal auditor"),
        ("headquarters", "headquarters campus-manager clerk legal auditor"),
        ("campus-manager", "campus-manager clerk auditor"),
        ("clerk", ""),
        ("seal-keeper", ""),
        ("legal", ""),
        ("auditor", ""),
    ],
)
def test_nobody_gives_a_role_that_can_do_more(role: str, gives: str) -> None:
    own = StaffRole(role)
    assert list_grantable_roles(own, at_headquarters=True) == tuple(map(StaffRole, gives.split()))
    for given in list_grantable_roles(own, at_headquarters=True):
        assert PERMISSIONS[given] <= PERMISSIONS[own]


def test_owners_and_headquarters_are_at_headquarters_alone() -> None:
    elsewhere = list_grantable_roles(StaffRole.OWNER, at_headquarters=False)
    assert set(StaffRole) - set(elsewhere) == {StaffRole.OWNER, StaffRole.HEADQUARTERS}
    owner = Administrator("staff:x", StaffRole.OWNER, EVERYTHING)
    with pytest.raises(BadInput) as refused:
        check_may_give(owner, StaffRole.OWNER, "hefei", at_headquarters=False)
    assert refused.value.field == "role"


def test_a_foreign_account_is_as_one_that_is_not_there() -> None:
    manager = Administrator("staff:x", StaffRole.CAMPUS_MANAGER, HEFEI)
    for role in StaffRole:
        with pytest.raises(AccountNotFound):
            check_may_manage(manager, staff_of(role, "beijing"))


def test_the_password_of_somebody_who_can_do_more_is_out_of_reach() -> None:
    manager = Administrator("staff:x", StaffRole.CAMPUS_MANAGER, HEFEI)
    for role in StaffRole:
        if may_grant(StaffRole.CAMPUS_MANAGER, role):
            check_may_manage(manager, staff_of(role))
        else:
            with pytest.raises(RoleAboveOwn):
                check_may_manage(manager, staff_of(role))


def test_ones_own_account_is_managed_by_others() -> None:
    own = staff_of(StaffRole.CAMPUS_MANAGER)
    with pytest.raises(OwnAccount):
        check_may_manage(Administrator("staff:x", own.role, HEFEI, own.id), own)


def test_one_owner_remains() -> None:
    first, second = staff_of(StaffRole.OWNER), staff_of(StaffRole.OWNER)
    check_owner_remains(first, [first.id, second.id])
    with pytest.raises(LastOwner):
        check_owner_remains(first, [first.id])
    check_owner_remains(first, [second.id])  # it is disabled already


@pytest.mark.parametrize("role", [*StaffRole, "manager"])
def test_the_record_says_roles_in_clear_also_those_of_earlier_versions(role: str) -> None:
    assert is_allowed_in_clear("staff-added", "staff_role", role)
    assert not is_allowed_in_clear("staff-added", "staff_role", "王示范")


def test_the_file_of_a_signer_opens_to_whoever_may_see_their_numbers() -> None:
    permission = PAGES["/staff/contracts/{id}/attachments/{attachment}"].permission
    kept_from = {StaffRole.AUDITOR, StaffRole.SEAL_KEEPER, StaffRole.LEGAL}
    assert {role for role in StaffRole if not may(role, permission)} == kept_from


@pytest.mark.parametrize(("routes", "roles"), [(PAGES, OPENED_BY), (ACTS, SENT_BY)], ids=["pages", "acts"])
def test_each_route_is_for_these_roles(
    routes: Mapping[str, StaffRoute], roles: Mapping[str, AbstractSet[StaffRole]]
) -> None:
    """The table of the routes names permissions. Here it is said again in other words, so that a slip shows."""
    for path, route in routes.items():
        address = path.removeprefix("/staff")
        expected = next(roles[each] for each in roles if re.fullmatch(each, address))
        assert {role for role in StaffRole if may(role, route.permission)} == expected, path
