"""What came since 0.2.0, and the rows of it that each scope may access.

It does not only expand: a hub of 0.2.0 stores packages whole, and does not know where to find joined ones.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

from hub.store.server.migrations.rooms import ALL, IN_SCOPE, allow_rows, keep_evidence, read_by_all, run_files

revision = "0027"
down_revision = "0011"
branch_labels = None
depends_on = None

OF_A_CAMPUS = (
    "attachment",
    "seal",
    "seal_request",
    "seal_grant",
    "seal_use",
    "seal_job",
    "seal_job_item",
    "seal_sm2",
    "weekly_report",
    "bulk_act",
    "bulk_item",
    "evidence_addendum",
    "legal_hold",
    "erasure_request",
)
OF_THE_HUB = ("text_version", "evidence_renewal", "evidence_renewal_leaf", "hash_tree_receipt")
# What the contract shows stays: the hub's own role deletes only what was replaced before anybody signed.
KEEPS_ATTACHMENTS = "AS RESTRICTIVE FOR DELETE TO app USING (superseded_at IS NOT NULL)"


def upgrade() -> None:
    run_files(Path(__file__).with_name("second_schema"))
    allow_rows(OF_A_CAMPUS, IN_SCOPE)
    allow_rows(OF_THE_HUB, ALL)
    # Every campus issues contracts by the texts of the school, and may read them.
    read_by_all(["text_version"])
    op.execute(f"CREATE POLICY keep_attachments ON attachment {KEEPS_ATTACHMENTS}")
    keep_evidence(("evidence_renewal", "evidence_renewal_leaf", "hash_tree_receipt", "evidence_addendum"))
