"""Campuses, courses, enrolments and their imports, the school's calendar, posters and their visitors."""

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, Table, Text, text as sql
from sqlalchemy.dialects.postgresql import ARRAY

from hub.store.tables.columns import bytes_, column, counter, day, flag, integer, json_, metadata, moment, uuid, words

CAMPUS = Table(
    "campus",
    metadata,
    words("id", primary_key=True),
    words("parent", foreign_key="campus.id", nullable=True),
    words("name"),
    words("name_en"),
    words("zone"),
    words("address", default=""),
    words("phone", default=""),
    words("address_en", default="", server_default=""),
)


COURSE = Table(
    "course",
    metadata,
    words("campus", primary_key=True, foreign_key="campus.id"),
    words("id", primary_key=True),
    words("name"),
    words("name_en"),
    json_("details"),
)


ENROLMENT = Table(
    "enrolment",
    metadata,
    uuid("id", primary_key=True),
    words("campus", foreign_key="campus.id"),
    words("course"),
    words("student_name"),
    bytes_("student_hash"),
    bytes_("people_sealed"),
    words("external_id", nullable=True),
    uuid("contract", nullable=True),
    moment("created_at"),
    column("place", BigInteger, Identity()),
    uuid("roster_import", nullable=True),
    moment("changed_at", nullable=True),
    words("changed_by", nullable=True),
    Index("ix_enrolment_open", "campus", "created_at", postgresql_where=sql("contract IS NULL")),
    Index("uq_enrolment_line", "campus", "course", "student_hash", unique=True),
    Index("uq_enrolment_place", "place", unique=True),
    Index("ix_enrolment_waiting", "place", postgresql_where=sql("contract IS NULL")),
    Index("ix_enrolment_issued", "place", postgresql_where=sql("contract IS NOT NULL")),
    Index("ix_enrolment_changed", "place", postgresql_where=sql("changed_at IS NOT NULL")),
    Index("ix_enrolment_course", "campus", "course", "place"),
    Index("ix_enrolment_name", sql('student_name COLLATE "C"')),
    Index("ix_enrolment_external", "external_id", postgresql_where=sql("external_id IS NOT NULL")),
    Index("ix_enrolment_import", "roster_import", "place", postgresql_where=sql("roster_import IS NOT NULL")),
)


# The keyed hash of a phone number that an enrolment names, to find it by.
ENROLMENT_PHONE = Table(
    "enrolment_phone",
    metadata,
    bytes_("phone_hash", primary_key=True),
    uuid("enrolment", primary_key=True, foreign_key="enrolment.id", ondelete="CASCADE", index=True),
    words("campus"),
)


# An import of a roster, with what became of its rows. `removed`: enrolments that its undoing deleted.
ROSTER_IMPORT = Table(
    "roster_import",
    metadata,
    uuid("id", primary_key=True),
    uuid("upload", nullable=True),
    words("campus", foreign_key="campus.id"),
    words("created_by"),
    words("name"),
    moment("created_at"),
    counter("added"),
    counter("already"),
    counter("refused"),
    moment("undone_at", nullable=True),
    words("undone_by", nullable=True),
    counter("removed"),
    Index("ix_roster_import_created_at", "created_at", "id"),
    Index("uq_roster_import_upload", "upload", unique=True, postgresql_where=sql("undone_at IS NULL")),
)


# Contracts that staff issue together. `deadline`: a day, which ends where each campus is.
ISSUE_ACT = Table(
    "issue_act",
    metadata,
    uuid("id", primary_key=True),
    words("campus", foreign_key="campus.id"),
    words("asked_by"),
    moment("asked_at"),
    words("send"),
    day("deadline", nullable=True),
    flag("needs_approval", default=False, server_default=sql("false")),
    words("decided_by", nullable=True),
    moment("decided_at", nullable=True),
    flag("refused", default=False, server_default=sql("false")),
    Index("ix_issue_act_asked_at", "asked_at"),
)


# One enrolment of such an act. Its `outcome` is written in the transaction of its contract, so that there is one
# contract. `approved_digest`: a keyed digest of what was asked for, which somebody else may then approve.
# `replacement_sealed`: the signer who is to take the place of another, until the act has ended.
ISSUE_ITEM = Table(
    "issue_item",
    metadata,
    uuid("act", primary_key=True, foreign_key="issue_act.id"),
    uuid("enrolment", primary_key=True),
    words("campus", foreign_key="campus.id"),
    integer("ordinal"),
    counter("tries"),
    words("outcome", nullable=True),
    bytes_("failure_sealed", nullable=True),
    moment("ended_at", nullable=True),
    bytes_("approved_digest", nullable=True),
    bytes_("replacement_sealed", nullable=True),
    Index("ix_issue_item_left", "act", "ordinal", postgresql_where=sql("outcome IS NULL")),
    Index("ix_issue_item_enrolment", "enrolment", postgresql_where=sql("outcome IS NULL")),
)


# An uploaded roster, until it is imported or a day old.
ROSTER_UPLOAD = Table(
    "roster_upload",
    metadata,
    uuid("id", primary_key=True),
    words("campus", foreign_key="campus.id"),
    words("created_by"),
    words("name"),
    moment("created_at"),
    bytes_("data_sealed"),
    Index("ix_roster_upload_created_at", "created_at"),
)


# Which roster column a title means at a campus, as people there have chosen.
ROSTER_TITLES = Table(
    "roster_titles", metadata, words("campus", primary_key=True, foreign_key="campus.id"), json_("columns")
)


# A day of a campus's own calendar, which overrides the public holidays.
SCHOOL_DAY = Table(
    "school_day",
    metadata,
    words("campus", primary_key=True, foreign_key="campus.id"),
    day("day", primary_key=True),
    flag("open"),
    words("name"),
)


# A poster. `courses` are of one campus; `mode`: `contract` (drawn at once) or `ask` (staff decide).
POSTER = Table(
    "poster",
    metadata,
    uuid("id", primary_key=True),
    words("campus", foreign_key="campus.id"),
    words("title"),
    column("courses", ARRAY(Text), default=list),
    words("mode"),
    bytes_("ticket_hash", unique=True),
    words("created_by"),
    moment("created_at"),
    moment("expires_at"),
    integer("maximum", nullable=True),
    column("allowed", ARRAY(LargeBinary), default=list),
    moment("revoked_at", nullable=True),
    Index("ix_poster_campus", "campus", "created_at"),
)


# A step of a visitor of a poster: opened, verified, enrolled. `student_hash` is set only for an enrolment, and random
# once the student was erased.
POSTER_SCAN = Table(
    "poster_scan",
    metadata,
    column("id", BigInteger, primary_key=True, autoincrement=True),
    uuid("poster", foreign_key="poster.id"),
    words("campus"),
    uuid("visitor", nullable=True),
    words("step"),
    moment("at"),
    uuid("enrolment", nullable=True),
    uuid("contract", nullable=True),
    bytes_("student_hash", nullable=True),
    Index("ix_poster_scan_poster", "poster", "at"),
    Index(
        "uq_poster_scan_student",
        "poster",
        "student_hash",
        unique=True,
        postgresql_where=sql("student_hash IS NOT NULL"),
    ),
)


# A session of a person who is not on file, or whose pickup code was wrong, which they must not learn. `person` is
# the key by which codes and wrong answers are counted.
VISITOR = Table(
    "visitor",
    metadata,
    uuid("id", primary_key=True),
    bytes_("secret_hash", unique=True),
    words("door"),
    uuid("poster", foreign_key="poster.id", nullable=True),
    words("person"),
    bytes_("phone_sealed"),
    bytes_("phone_hash"),
    bytes_("name_sealed", nullable=True),
    words("language", default="zh"),
    bytes_("key_challenge"),
    moment("created_at"),
    moment("expires_at"),
    moment("verified_at", nullable=True),
)


# A version of a contract template or a message. After the approval, a trigger prevents changes of its texts.
TEXT_VERSION = Table(
    "text_version",
    metadata,
    uuid("id", primary_key=True),
    words("kind"),
    words("subject"),
    integer("number"),
    words("state"),
    words("base"),
    json_("texts"),
    json_("fixed"),
    words("note"),
    integer("revision"),
    column("writers", ARRAY(Text), default=list),
    moment("changed_at"),
    words("submitted_by", nullable=True),
    moment("submitted_at", nullable=True),
    words("decided_by", nullable=True),
    moment("decided_at", nullable=True),
    Index("uq_text_version_number", "kind", "subject", "number", unique=True),
    Index("uq_text_version_in_force", "kind", "subject", unique=True, postgresql_where=sql("state = 'in-force'")),
    Index(
        "uq_text_version_open", "kind", "subject", unique=True, postgresql_where=sql("state IN ('draft', 'submitted')")
    ),
)
