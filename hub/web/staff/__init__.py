"""The staff console `/staff`."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from hub.model.board.bulk_act import BulkKind
from hub.model.staff.roles import Permission
from hub.web.staff.board import board_stream, bulk_acts, dashboard, export
from hub.web.staff.contract import (
    contract,
    download_many,
    issuing,
    own_document,
    print_codes,
    reading,
    rehearsing,
    signers,
)
from hub.web.staff.evidence import holds, persons
from hub.web.staff.inbound import chat_accounts
from hub.web.staff.messaging import messages
from hub.web.staff.reminders import bulk, policies
from hub.web.staff.reports import report_tables, reports
from hub.web.staff.school import enrolments, imports, issue_many, posters, roster, school_file, texts
from hub.web.staff.sealing import seal_grants, seal_register, seal_sm2, seals
from hub.web.staff.staff import accounts, answers, api_keys, doctor, own_account, phone_changes, school_record, tasks
from hub.web.staff.staff.access import StaffRoute, staff_only
from hub.web.staff.staff.log_in import login_routes
from hub.web.staff.staff.provider_login import provider_routes
from hub.wiring import Hub

_ONE = "/staff/contracts/{id}"
_ACCOUNT = "/staff/accounts/{account}"
_MINE = "/staff/account"
_ROSTER = "/staff/import/{upload}"
_IMPORT = "/staff/imports/{import}"
_ENROLMENT = "/staff/enrolments/{enrolment}"
_POSTER = "/staff/posters/{poster}"
_SEAL = "/staff/seals/{seal}"
_TEXT = "/staff/texts/{kind}/{subject}"
_TEXT_VERSION = f"{_TEXT}/{{version}}"
PAGES: dict[str, StaffRoute] = {
    "/staff/doctor": StaffRoute(Permission.SET_UP, doctor.doctor),
    "/staff/rehearsal": StaffRoute(Permission.SET_UP, rehearsing.form),
    "/staff/school": StaffRoute(Permission.SET_UP, school_file.school),
    "/staff/school/school.toml": StaffRoute(Permission.SET_UP, school_file.download),
    "/staff": StaffRoute(Permission.READ_CONTRACT, dashboard.board),
    "/staff/changes": StaffRoute(Permission.READ_CONTRACT, board_stream.stream),
    "/staff/enrolments": StaffRoute(Permission.READ_CONTRACT, enrolments.enrolments),
    _ENROLMENT: StaffRoute(Permission.IMPORT, enrolments.form),
    "/staff/issue": StaffRoute(Permission.ISSUE, issuing.form),
    "/staff/issue/document": StaffRoute(Permission.ISSUE, own_document.upload_form),
    "/staff/issued/{act}": StaffRoute(Permission.READ_CONTRACT, issue_many.show_progress),
    "/staff/import": StaffRoute(Permission.IMPORT, roster.form),
    "/staff/import/template.xlsx": StaffRoute(Permission.IMPORT, roster.template),
    _ROSTER: StaffRoute(Permission.IMPORT, roster.check),
    f"{_ROSTER}/marked.xlsx": StaffRoute(Permission.IMPORT, roster.marked),
    _IMPORT: StaffRoute(Permission.IMPORT, imports.imported),
    "/staff/tasks": StaffRoute(Permission.READ_CONTRACT, tasks.show_tasks),
    "/staff/tasks/{task}/answer": StaffRoute(Permission.SETTLE_TASK, answers.form),
    "/staff/accounts": StaffRoute(Permission.MANAGE_ACCOUNTS, accounts.list_accounts),
    _ACCOUNT: StaffRoute(Permission.MANAGE_ACCOUNTS, accounts.account),
    "/staff/keys": StaffRoute(Permission.MANAGE_KEYS, api_keys.list_keys),
    "/staff/persons": StaffRoute(Permission.ANSWER_PERSONS, persons.show_persons),
    "/staff/holds": StaffRoute(Permission.HOLD_CONTRACT, holds.list_holds),
    _MINE: StaffRoute(Permission.OWN_ACCOUNT, own_account.show_own_account),
    f"{_MINE}/second-factor": StaffRoute(Permission.OWN_ACCOUNT, own_account.factor),
    "/staff/record": StaffRoute(Permission.READ_RECORD, school_record.record),
    "/staff/reports": StaffRoute(Permission.READ_REPORTS, reports.show_reports),
    "/staff/reports/table": StaffRoute(Permission.READ_REPORTS, report_tables.table),
    "/staff/messages": StaffRoute(Permission.READ_CONTRACT, messages.messages),
    "/staff/chats": StaffRoute(Permission.EDIT_CHATS, chat_accounts.accounts),
    "/staff/policies": StaffRoute(Permission.READ_CONTRACT, policies.policies),
    "/staff/remind/{act}": StaffRoute(Permission.READ_CONTRACT, bulk.progress),
    "/staff/bulk/{act}": StaffRoute(Permission.READ_CONTRACT, bulk_acts.progress),
    "/staff/phone-changes": StaffRoute(Permission.READ_CONTRACT, phone_changes.show_phone_changes),
    "/staff/phone-changes/{change}": StaffRoute(Permission.CHANGE_PHONE, phone_changes.change),
    "/staff/posters": StaffRoute(Permission.READ_CONTRACT, posters.posters),
    "/staff/posters/new": StaffRoute(Permission.MAKE_POSTER, posters.form),
    _POSTER: StaffRoute(Permission.READ_CONTRACT, posters.poster),
    f"{_POSTER}/people": StaffRoute(Permission.READ_CONTRACT, posters.people),
    f"{_POSTER}/a4.pdf": StaffRoute(Permission.READ_CONTRACT, posters.sheet),
    f"{_POSTER}/stickers.pdf": StaffRoute(Permission.READ_CONTRACT, posters.stickers),
    f"{_POSTER}/revoke": StaffRoute(Permission.MAKE_POSTER, posters.ask_revoke),
    "/staff/texts": StaffRoute(Permission.READ_CONTRACT, texts.texts),
    _TEXT: StaffRoute(Permission.READ_CONTRACT, texts.versions),
    _TEXT_VERSION: StaffRoute(Permission.READ_CONTRACT, texts.version),
    "/staff/seals": StaffRoute(Permission.READ_SEALS, seals.list_page),
    "/staff/seals/new": StaffRoute(Permission.APPROVE_SEAL, seals.form),
    _SEAL: StaffRoute(Permission.READ_SEALS, seals.show_seal),
    f"{_SEAL}/picture.png": StaffRoute(Permission.READ_SEALS, seals.picture),
    f"{_SEAL}/revoke": StaffRoute(Permission.USE_SEAL, seals.ask_revoke),
    f"{_SEAL}/grant": StaffRoute(Permission.USE_SEAL, seal_grants.form),
    f"{_SEAL}/sm2": StaffRoute(Permission.USE_SEAL, seal_sm2.show_sm2_form),
    f"{_SEAL}/register": StaffRoute(Permission.READ_SEALS, seal_register.register),
    f"{_SEAL}/register/export": StaffRoute(Permission.READ_SEALS, seal_register.export),
    _ONE: StaffRoute(Permission.READ_CONTRACT, contract.show_contract),
    f"{_ONE}/void": StaffRoute(Permission.VOID, contract.ask_void),
    f"{_ONE}/paper": StaffRoute(Permission.VOID, contract.ask_paper),
    f"{_ONE}/final.pdf": StaffRoute(Permission.READ_CONTRACT, reading.final_file),
    f"{_ONE}/read": StaffRoute(Permission.READ_CONTRACT, reading.pages),
    f"{_ONE}/pages/{{number}}.png": StaffRoute(Permission.READ_CONTRACT, reading.page_image),
    f"{_ONE}/document.pdf": StaffRoute(Permission.READ_CONTRACT, reading.document),
    f"{_ONE}/document.ofd": StaffRoute(Permission.READ_CONTRACT, reading.ofd),
    f"{_ONE}/links/{{signer}}": StaffRoute(Permission.HAND_OUT_LINK, contract.links),
    f"{_ONE}/desk/{{signer}}": StaffRoute(Permission.HAND_OUT_LINK, contract.desk_code),
    f"{_ONE}/attachments/{{attachment}}": StaffRoute(Permission.REVEAL_NUMBER, reading.attachment),
    f"{_ONE}/evidence.zip": StaffRoute(Permission.READ_CONTRACT, reading.evidence),
    f"{_ONE}/addendum.zip": StaffRoute(Permission.READ_CONTRACT, reading.addendum),
}
ACTS: dict[str, StaffRoute] = {
    "/staff/rehearsal": StaffRoute(Permission.SET_UP, rehearsing.begin),
    "/staff/school": StaffRoute(Permission.SET_UP, school_file.look, takes_file=True),
    "/staff/school/apply": StaffRoute(Permission.SET_UP, school_file.apply, takes_file=True),
    "/staff/sending/pause": StaffRoute(Permission.SET_UP, school_file.pause),
    "/staff/sending/resume": StaffRoute(Permission.SET_UP, school_file.resume),
    "/staff/enrolments/preview": StaffRoute(Permission.ISSUE, issue_many.preview),
    "/staff/enrolments/issue": StaffRoute(Permission.ISSUE, issue_many.begin),
    _ENROLMENT: StaffRoute(Permission.IMPORT, enrolments.change),
    f"{_ENROLMENT}/delete": StaffRoute(Permission.IMPORT, enrolments.delete),
    "/staff/issue": StaffRoute(Permission.ISSUE, issuing.issue_by_hand),
    "/staff/issue/document": StaffRoute(Permission.ISSUE, own_document.upload, takes_file=True),
    "/staff/issue/preview": StaffRoute(Permission.ISSUE, issuing.preview_by_hand),
    "/staff/issue/change": StaffRoute(Permission.ISSUE, issuing.change),
    "/staff/import": StaffRoute(Permission.IMPORT, roster.upload_roster, takes_file=True),
    _ROSTER: StaffRoute(Permission.IMPORT, roster.import_rows),
    f"{_ROSTER}/columns": StaffRoute(Permission.IMPORT, roster.choose_columns),
    f"{_IMPORT}/undo": StaffRoute(Permission.IMPORT, imports.undo),
    "/staff/tasks/done": StaffRoute(Permission.SETTLE_TASK, tasks.many_done),
    "/staff/tasks/take": StaffRoute(Permission.SETTLE_TASK, tasks.many_taken),
    "/staff/tasks/{task}/done": StaffRoute(Permission.SETTLE_TASK, tasks.done),
    "/staff/tasks/{task}/answer/preview": StaffRoute(Permission.SETTLE_TASK, answers.preview),
    "/staff/tasks/{task}/answer": StaffRoute(Permission.SETTLE_TASK, answers.send),
    "/staff/tasks/{task}/take": StaffRoute(Permission.SETTLE_TASK, tasks.taken),
    "/staff/tasks/{task}/hand": StaffRoute(Permission.SETTLE_TASK, tasks.handed),
    "/staff/accounts": StaffRoute(Permission.MANAGE_ACCOUNTS, accounts.add),
    f"{_ACCOUNT}/disable": StaffRoute(Permission.MANAGE_ACCOUNTS, accounts.disable),
    f"{_ACCOUNT}/enable": StaffRoute(Permission.MANAGE_ACCOUNTS, accounts.enable),
    f"{_ACCOUNT}/unlock": StaffRoute(Permission.MANAGE_ACCOUNTS, accounts.unlock),
    f"{_ACCOUNT}/role": StaffRoute(Permission.MANAGE_ACCOUNTS, accounts.change_role),
    f"{_ACCOUNT}/reset": StaffRoute(Permission.MANAGE_ACCOUNTS, accounts.reset),
    f"{_ACCOUNT}/end-sessions": StaffRoute(Permission.MANAGE_ACCOUNTS, accounts.end_sessions),
    f"{_ACCOUNT}/second-factor": StaffRoute(Permission.MANAGE_ACCOUNTS, accounts.remove_second_factor),
    f"{_ACCOUNT}/link": StaffRoute(Permission.MANAGE_ACCOUNTS, accounts.link_login),
    f"{_ACCOUNT}/unlink": StaffRoute(Permission.MANAGE_ACCOUNTS, accounts.unlink_login),
    "/staff/keys": StaffRoute(Permission.MANAGE_KEYS, api_keys.add),
    "/staff/keys/rotate": StaffRoute(Permission.MANAGE_KEYS, api_keys.rotate),
    "/staff/keys/revoke": StaffRoute(Permission.MANAGE_KEYS, api_keys.revoke),
    "/staff/persons": StaffRoute(Permission.ANSWER_PERSONS, persons.find),
    "/staff/persons/export": StaffRoute(Permission.ANSWER_PERSONS, persons.export),
    "/staff/persons/erasure": StaffRoute(Permission.ANSWER_PERSONS, persons.erasure),
    "/staff/persons/requests": StaffRoute(Permission.ANSWER_PERSONS, persons.ask),
    "/staff/persons/requests/{request}/confirm": StaffRoute(Permission.ANSWER_PERSONS, persons.confirm),
    "/staff/persons/requests/{request}/turn-down": StaffRoute(Permission.ANSWER_PERSONS, persons.turn_down),
    "/staff/holds": StaffRoute(Permission.HOLD_CONTRACT, holds.place),
    "/staff/holds/{contract}/lift": StaffRoute(Permission.HOLD_CONTRACT, holds.lift),
    f"{_MINE}/password": StaffRoute(Permission.OWN_ACCOUNT, own_account.change_password),
    f"{_MINE}/sessions/end-others": StaffRoute(Permission.OWN_ACCOUNT, own_account.end_others),
    f"{_MINE}/sessions/{{session}}/end": StaffRoute(Permission.OWN_ACCOUNT, own_account.end_session),
    f"{_MINE}/second-factor/begin": StaffRoute(Permission.OWN_ACCOUNT, own_account.begin_factor),
    f"{_MINE}/second-factor/confirm": StaffRoute(Permission.OWN_ACCOUNT, own_account.confirm_factor),
    f"{_MINE}/second-factor/codes": StaffRoute(Permission.OWN_ACCOUNT, own_account.renew_codes),
    f"{_MINE}/second-factor/remove": StaffRoute(Permission.OWN_ACCOUNT, own_account.remove_factor),
    "/staff/reports/mail": StaffRoute(Permission.READ_REPORTS, reports.order_weekly_report),
    "/staff/reports/mail/end": StaffRoute(Permission.READ_REPORTS, reports.end_mail),
    "/staff/chats": StaffRoute(Permission.EDIT_CHATS, chat_accounts.add),
    "/staff/policies": StaffRoute(Permission.EDIT_POLICIES, policies.change),
    "/staff/policies/calendar": StaffRoute(Permission.EDIT_POLICIES, policies.calendar, takes_file=True),
    "/staff/remind/preview": StaffRoute(Permission.REMIND, bulk.ask),
    "/staff/remind": StaffRoute(Permission.REMIND, bulk.remind),
    "/staff/extend/preview": StaffRoute(Permission.EXTEND, bulk_acts.ask(BulkKind.EXTEND)),
    "/staff/extend": StaffRoute(Permission.EXTEND, bulk_acts.begin(BulkKind.EXTEND)),
    "/staff/reissue/preview": StaffRoute(Permission.ISSUE, bulk_acts.ask(BulkKind.REISSUE)),
    "/staff/reissue": StaffRoute(Permission.ISSUE, bulk_acts.begin(BulkKind.REISSUE)),
    "/staff/void/preview": StaffRoute(Permission.VOID, bulk_acts.ask(BulkKind.VOID)),
    "/staff/void": StaffRoute(Permission.VOID, bulk_acts.begin(BulkKind.VOID)),
    "/staff/codes/preview": StaffRoute(Permission.HAND_OUT_LINK, print_codes.ask),
    "/staff/codes": StaffRoute(Permission.HAND_OUT_LINK, print_codes.print_codes),
    "/staff/download/preview": StaffRoute(Permission.EXPORT, download_many.preview_download),
    "/staff/download": StaffRoute(Permission.EXPORT, download_many.download),
    "/staff/export/preview": StaffRoute(Permission.EXPORT, export.ask),
    "/staff/export": StaffRoute(Permission.EXPORT, export.export),
    "/staff/chats/remove": StaffRoute(Permission.EDIT_CHATS, chat_accounts.remove),
    "/staff/phone-changes/{change}/approve": StaffRoute(Permission.CHANGE_PHONE, phone_changes.approve),
    "/staff/phone-changes/{change}/turn-down": StaffRoute(Permission.CHANGE_PHONE, phone_changes.turn_down),
    "/staff/posters/new": StaffRoute(Permission.MAKE_POSTER, posters.put_up, takes_file=True),
    f"{_POSTER}/revoke": StaffRoute(Permission.MAKE_POSTER, posters.revoke),
    "/staff/texts/new": StaffRoute(Permission.EDIT_TEMPLATES, texts.begin_new),
    f"{_TEXT}/begin": StaffRoute(Permission.EDIT_TEMPLATES, texts.begin),
    f"{_TEXT_VERSION}/look": StaffRoute(Permission.EDIT_TEMPLATES, texts.look),
    f"{_TEXT_VERSION}/save": StaffRoute(Permission.EDIT_TEMPLATES, texts.save),
    f"{_TEXT_VERSION}/discard": StaffRoute(Permission.EDIT_TEMPLATES, texts.discard),
    f"{_TEXT_VERSION}/approve": StaffRoute(Permission.APPROVE_TEMPLATES, texts.approve),
    f"{_TEXT_VERSION}/send-back": StaffRoute(Permission.APPROVE_TEMPLATES, texts.send_back),
    "/staff/issued/{act}/approve": StaffRoute(Permission.APPROVE_ISSUE, issue_many.approve),
    "/staff/issued/{act}/refuse": StaffRoute(Permission.APPROVE_ISSUE, issue_many.refuse),
    "/staff/issued/{act}/take-back": StaffRoute(Permission.ISSUE, issue_many.take_back),
    "/staff/seals/new": StaffRoute(Permission.APPROVE_SEAL, seals.apply, takes_file=True),
    f"{_SEAL}/approve": StaffRoute(Permission.APPROVE_SEAL, seals.approve),
    f"{_SEAL}/reject": StaffRoute(Permission.APPROVE_SEAL, seals.reject),
    f"{_SEAL}/suspend": StaffRoute(Permission.APPROVE_SEAL, seals.suspend),
    f"{_SEAL}/make": StaffRoute(Permission.USE_SEAL, seals.make),
    f"{_SEAL}/renew": StaffRoute(Permission.USE_SEAL, seals.renew),
    f"{_SEAL}/activate": StaffRoute(Permission.USE_SEAL, seals.activate),
    f"{_SEAL}/resume": StaffRoute(Permission.USE_SEAL, seals.resume),
    f"{_SEAL}/revoke": StaffRoute(Permission.USE_SEAL, seals.revoke),
    f"{_SEAL}/archive": StaffRoute(Permission.USE_SEAL, seals.archive),
    f"{_SEAL}/grant": StaffRoute(Permission.USE_SEAL, seal_grants.grant),
    f"{_SEAL}/sm2": StaffRoute(Permission.USE_SEAL, seal_sm2.make),
    f"{_SEAL}/sm2/install": StaffRoute(Permission.USE_SEAL, seal_sm2.install, takes_file=True),
    f"{_SEAL}/grants/{{grant}}/revoke": StaffRoute(Permission.USE_SEAL, seal_grants.revoke),
    f"{_ONE}/remind": StaffRoute(Permission.REMIND, contract.remind),
    f"{_ONE}/extend": StaffRoute(Permission.EXTEND, contract.extend),
    f"{_ONE}/void": StaffRoute(Permission.VOID, contract.void),
    f"{_ONE}/paper": StaffRoute(Permission.VOID, contract.paper),
    f"{_ONE}/reissue": StaffRoute(Permission.ISSUE, contract.reissue),
    f"{_ONE}/phone/{{signer}}": StaffRoute(Permission.CHANGE_PHONE, contract.change_phone),
    f"{_ONE}/reveal/{{signer}}": StaffRoute(Permission.REVEAL_NUMBER, signers.reveal),
    f"{_ONE}/replace/{{signer}}": StaffRoute(Permission.ISSUE, contract.replace_person),
    f"{_ONE}/devices/{{device}}/revoke": StaffRoute(Permission.REVOKE_DEVICE, signers.revoke_device),
}


def routes(hub: Hub) -> Iterable[web.AbstractRouteDef]:
    yield from login_routes()
    yield from provider_routes()
    yield web.get("/staff/", _without_slash)
    for path, page in PAGES.items():
        yield web.get(path, staff_only(page))
    for path, act in ACTS.items():
        yield web.post(path, staff_only(act))


async def _without_slash(request: web.Request) -> web.StreamResponse:
    """Redirect `/staff/`, which people type and the demo prints, to `/staff`, with its query."""
    raise web.HTTPSeeOther(request.rel_url.with_path("/staff", keep_query=True))
