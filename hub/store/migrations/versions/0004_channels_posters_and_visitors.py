"""providers of channels and what they tell; posters and visitors without a link; changes of a phone; alerts; pairing
with a program on the signer's own computer"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ALL = "(SELECT current_setting('qianda.scope', true)) = '*'"
IN_SCOPE = f"{ALL} OR position(',' || campus || ',' IN (SELECT current_setting('qianda.scope', true))) > 0"
OF_THE_HUB = ("callback", "inbound_message", "visitor")
OF_A_CAMPUS = ("poster", "poster_scan", "phone_change", "alert")
OF_THE_SCHOOL = ("reminder_policy", "school_day")


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("campus", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reached", sa.Text(), server_default="", nullable=False),
        sa.Column("bundle", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    op.create_index("ix_alert_due", "alert", ["due_at"], unique=False, postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_index("ix_alert_created_at", "alert", ["created_at"], unique=False)
    op.create_table(
        "budget",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("begins_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", "begins_at", name=op.f("pk_budget")),
    )
    op.create_table(
        "callback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("call_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback")),
    )
    op.create_index(
        "ix_callback_due", "callback", ["due_at"], unique=False, postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_table(
        "inbound_message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("sender_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("sender_hash", sa.LargeBinary(), nullable=False),
        sa.Column("text_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wish", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_message")),
    )
    op.create_index("ix_inbound_message_sender", "inbound_message", ["sender_hash", "received_at"], unique=False)
    op.create_index("ix_inbound_message_wish", "inbound_message", ["provider", "wish", "received_at"], unique=False)
    op.create_index("uq_inbound_message_reference", "inbound_message", ["provider", "reference"], unique=True)
    op.create_table(
        "opt_out",
        sa.Column("number_hash", sa.LargeBinary(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number_hash", "channel", name=op.f("pk_opt_out")),
    )
    op.create_table(
        "provider",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("broken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("broken_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_provider")),
    )
    op.create_table(
        "provider_lane",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("booked_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", "lane", name=op.f("pk_provider_lane")),
    )
    op.create_table(
        "poster",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("campus", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("courses", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("ticket_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("maximum", sa.Integer(), nullable=True),
        sa.Column("allowed", postgresql.ARRAY(sa.LargeBinary()), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["campus"], ["campus.id"], name=op.f("fk_poster_campus")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_poster")),
        sa.UniqueConstraint("ticket_hash", name=op.f("uq_poster_ticket_hash")),
    )
    op.create_index("ix_poster_campus", "poster", ["campus", "created_at"], unique=False)
    op.create_table(
        "chat_account",
        sa.Column("chat", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("staff", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"], name=op.f("fk_chat_account_staff")),
        sa.PrimaryKeyConstraint("chat", "person", name=op.f("pk_chat_account")),
    )
    op.create_table(
        "poster_scan",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("poster", sa.Uuid(), nullable=False),
        sa.Column("campus", sa.Text(), nullable=False),
        sa.Column("visitor", sa.Uuid(), nullable=True),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("enrolment", sa.Uuid(), nullable=True),
        sa.Column("contract", sa.Uuid(), nullable=True),
        sa.Column("student_hash", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["poster"], ["poster.id"], name=op.f("fk_poster_scan_poster")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_poster_scan")),
    )
    op.create_index("ix_poster_scan_poster", "poster_scan", ["poster", "at"], unique=False)
    op.create_index(
        "uq_poster_scan_student",
        "poster_scan",
        ["poster", "student_hash"],
        unique=True,
        postgresql_where=sa.text("student_hash IS NOT NULL"),
    )
    op.create_table(
        "visitor",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("poster", sa.Uuid(), nullable=True),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("phone_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("phone_hash", sa.LargeBinary(), nullable=False),
        sa.Column("name_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("key_challenge", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["poster"], ["poster.id"], name=op.f("fk_visitor_poster")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visitor")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_visitor_secret_hash")),
    )
    op.create_table(
        "phone_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("contract", sa.Uuid(), nullable=False),
        sa.Column("signer", sa.Uuid(), nullable=False),
        sa.Column("campus", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("old_hash", sa.LargeBinary(), nullable=False),
        sa.Column("new_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("new_hash", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approvals", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("code", sa.Uuid(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["contract"], ["contract.id"], name=op.f("fk_phone_change_contract")),
        sa.ForeignKeyConstraint(["signer"], ["signer.id"], name=op.f("fk_phone_change_signer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phone_change")),
    )
    op.create_index(op.f("ix_phone_change_contract"), "phone_change", ["contract"], unique=False)
    op.create_index(
        "ix_phone_change_open",
        "phone_change",
        ["campus", "asked_at"],
        unique=False,
        postgresql_where=sa.text("state = 'OPEN'"),
    )
    op.add_column("delivery", sa.Column("failure_kind", sa.Text(), nullable=True))
    op.add_column("delivery", sa.Column("intent", sa.Text(), nullable=True))
    op.add_column("delivery", sa.Column("rung", sa.Integer(), server_default="0", nullable=False))
    op.add_column("delivery", sa.Column("shape", sa.Text(), nullable=True))
    op.add_column("delivery", sa.Column("calls", sa.Integer(), server_default="0", nullable=False))
    op.add_column("delivery", sa.Column("not_before", sa.DateTime(timezone=True), nullable=True))
    op.add_column("delivery", sa.Column("check_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_delivery_check", "delivery", ["check_at"], unique=False, postgresql_where=sa.text("check_at IS NOT NULL")
    )
    op.create_index(
        "ix_delivery_reference",
        "delivery",
        ["provider_reference"],
        unique=False,
        postgresql_where=sa.text("provider_reference IS NOT NULL"),
    )
    op.create_table(
        "pairing",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session", sa.Uuid(), nullable=False),
        sa.Column("contract", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("agent", sa.Uuid(), nullable=True),
        sa.Column("certificate", sa.LargeBinary(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["contract"], ["contract.id"], name=op.f("fk_pairing_contract")),
        sa.ForeignKeyConstraint(["session"], ["signing_session.id"], name=op.f("fk_pairing_session")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pairing")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_pairing_code_hash")),
    )
    op.create_index(op.f("ix_pairing_session"), "pairing", ["session"], unique=False)
    op.add_column("identity_check", sa.Column("reference", sa.Text(), nullable=True))
    # Two authorities may give the same number.
    op.drop_constraint(op.f("pk_issued_certificate"), "issued_certificate", type_="primary")
    op.create_primary_key(op.f("pk_issued_certificate"), "issued_certificate", ["serial", "authority"])
    op.add_column("signing_session", sa.Column("custody", sa.Text(), nullable=True))
    op.add_column("signing_session", sa.Column("pairing", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_signing_session_key_spki", "signing_session", ["key_spki"], unique=False, postgresql_using="hash"
    )
    op.create_table(
        "reminder_policy",
        sa.Column("campus", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["campus"], ["campus.id"], name=op.f("fk_reminder_policy_campus")),
        sa.PrimaryKeyConstraint("campus", "kind", "subject", name=op.f("pk_reminder_policy")),
    )
    op.create_table(
        "school_day",
        sa.Column("campus", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["campus"], ["campus.id"], name=op.f("fk_school_day_campus")),
        sa.PrimaryKeyConstraint("campus", "day", name=op.f("pk_school_day")),
    )
    op.create_table(
        "many_reminded",
        sa.Column("act", sa.Uuid(), nullable=False),
        sa.Column("task", sa.Uuid(), nullable=False),
        sa.Column("contract", sa.Uuid(), nullable=False),
        sa.Column("campus", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["campus"], ["campus.id"], name=op.f("fk_many_reminded_campus")),
        sa.ForeignKeyConstraint(["contract"], ["contract.id"], name=op.f("fk_many_reminded_contract")),
        sa.ForeignKeyConstraint(["task"], ["signing_task.id"], name=op.f("fk_many_reminded_task")),
        sa.PrimaryKeyConstraint("act", "task", name=op.f("pk_many_reminded")),
    )
    op.create_index(
        "ix_many_reminded_left",
        "many_reminded",
        ["act", "contract"],
        unique=False,
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_index("ix_many_reminded_asked_at", "many_reminded", ["asked_at"], unique=False)
    secure("many_reminded", IN_SCOPE)
    for table in OF_THE_SCHOOL:
        secure(table, IN_SCOPE)
        # A campus goes by what headquarters decided: it may read all of it, and there is nobody's name in it.
        op.execute(f"CREATE POLICY read_by_all ON {table} FOR SELECT USING (true)")
    own = "EXISTS (SELECT 1 FROM contract WHERE contract.id = pairing.contract)"
    secure("pairing", f"{ALL} OR {own}")
    for table in OF_THE_HUB:
        secure(table, ALL)
    for table in OF_A_CAMPUS:
        secure(table, IN_SCOPE)


def secure(table: str, allowed: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY campus_scope ON {table} USING ({allowed}) WITH CHECK ({allowed})")


def downgrade() -> None:
    op.drop_table("many_reminded")
    op.drop_table("school_day")
    op.drop_table("reminder_policy")
    op.drop_index("ix_signing_session_key_spki", table_name="signing_session", postgresql_using="hash")
    op.drop_column("signing_session", "pairing")
    op.drop_column("signing_session", "custody")
    op.drop_constraint(op.f("pk_issued_certificate"), "issued_certificate", type_="primary")
    op.create_primary_key(op.f("pk_issued_certificate"), "issued_certificate", ["serial"])
    op.drop_column("identity_check", "reference")
    op.drop_index(op.f("ix_pairing_session"), table_name="pairing")
    op.drop_table("pairing")
    op.drop_index(
        "ix_delivery_reference", table_name="delivery", postgresql_where=sa.text("provider_reference IS NOT NULL")
    )
    op.drop_index("ix_delivery_check", table_name="delivery", postgresql_where=sa.text("check_at IS NOT NULL"))
    op.drop_column("delivery", "check_at")
    op.drop_column("delivery", "not_before")
    op.drop_column("delivery", "calls")
    op.drop_column("delivery", "shape")
    op.drop_column("delivery", "rung")
    op.drop_column("delivery", "intent")
    op.drop_column("delivery", "failure_kind")
    op.drop_index("ix_phone_change_open", table_name="phone_change", postgresql_where=sa.text("state = 'OPEN'"))
    op.drop_index(op.f("ix_phone_change_contract"), table_name="phone_change")
    op.drop_table("phone_change")
    op.drop_table("visitor")
    op.drop_index(
        "uq_poster_scan_student", table_name="poster_scan", postgresql_where=sa.text("student_hash IS NOT NULL")
    )
    op.drop_index("ix_poster_scan_poster", table_name="poster_scan")
    op.drop_table("poster_scan")
    op.drop_table("chat_account")
    op.drop_index("ix_poster_campus", table_name="poster")
    op.drop_table("poster")
    op.drop_table("provider_lane")
    op.drop_table("provider")
    op.drop_table("opt_out")
    op.drop_index("uq_inbound_message_reference", table_name="inbound_message")
    op.drop_index("ix_inbound_message_wish", table_name="inbound_message")
    op.drop_index("ix_inbound_message_sender", table_name="inbound_message")
    op.drop_table("inbound_message")
    op.drop_index("ix_callback_due", table_name="callback", postgresql_where=sa.text("due_at IS NOT NULL"))
    op.drop_table("callback")
    op.drop_table("budget")
    op.drop_table("alert")
