"""Find the account of a person whom the school's login service has identified; link accounts to the service."""

from __future__ import annotations

from hub.errors import BadInput, NoAccountForLogin
from hub.lifecycle.evidence.school_acts import record_staff_act
from hub.lifecycle.services import Services
from hub.lifecycle.staff.accounts import manage_account
from hub.model.staff.accounts import Staff, StaffLogin
from hub.model.staff.administration import Administrator
from hub.model.staff.scope import EVERYTHING
from hub.oidc import ProvenLogin
from hub.store.transaction import Transaction

MAX_SUBJECT_LENGTH = 255  # OpenID Connect Core 1.0, 2


async def find_staff_of_login(services: Services, proven: ProvenLogin, *, by_mail: bool) -> StaffLogin:
    """Return the account of a person whom the service has identified.

    `by_mail`: at the first login, find the account whose login is the verified e-mail address, and link it. Later
    logins use the link, because the address may be given to another person. Raises NoAccountForLogin, also for a
    disabled account.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        found = await tx.accounts.get_login_of_subject(proven.issuer, proven.subject)
        if found is None and by_mail and proven.mail:
            found = await _link_by_mail(tx, proven)
    if found is None:
        raise NoAccountForLogin
    return found


async def _link_by_mail(tx: Transaction, proven: ProvenLogin) -> StaffLogin | None:
    # ASCII only: `lower` turns U+212A, for example, into a k, which would match the login of another mailbox.
    staff = await tx.accounts.lock(proven.mail.lower()) if proven.mail.isascii() else None
    if staff is None or await tx.accounts.find_by_login(staff.login) is None:
        return None  # whoever has this mail now is not linked to the account of a person who has left
    if not await tx.accounts.link_login(staff.id, proven.issuer, proven.subject):
        return None
    await record_staff_act(tx, "staff-login-linked", staff, staff.actor)
    return await tx.accounts.get_login_of_subject(proven.issuer, proven.subject)


async def link_staff_login(services: Services, login: str, issuer: str, subject: str, by: Administrator) -> Staff:
    """Link this account to the subject at the service, in place of an earlier link, and end its sessions.

    That person may then log in. Raises BadInput for a subject that is invalid or that another account has, and as
    `check_may_manage` does.
    """
    if not subject.isprintable() or not 0 < len(subject) <= MAX_SUBJECT_LENGTH:
        raise BadInput(f"a subject has 1 to {MAX_SUBJECT_LENGTH} characters", field="subject")
    if not issuer:
        raise BadInput("no login service is configured ([oidc])", field="subject")
    async with manage_account(services, login, by, "staff-login-linked") as (tx, staff):
        await tx.accounts.unlink_login(staff.id)
        if not await tx.accounts.link_login(staff.id, issuer, subject):
            raise BadInput("another account has this subject", field="subject")
        await tx.accounts.end_sessions(staff.id)
    return staff


async def unlink_staff_login(services: Services, login: str, by: Administrator) -> Staff:
    """End the link, and all sessions. Raises as `check_may_manage` does; BadInput if there is no link."""
    async with manage_account(services, login, by, "staff-login-unlinked") as (tx, staff):
        if not await tx.accounts.unlink_login(staff.id):
            raise BadInput("this account is not linked to a login service", field="subject")
        await tx.accounts.end_sessions(staff.id)
    return staff
