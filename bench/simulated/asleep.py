"""Create contracts whose next step is due in some days: the database copies one that the product has issued."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.simulated.crowd import GENERATED, Crowd

AT_ONCE = 100_000
_NEW = """
CREATE TEMPORARY TABLE IF NOT EXISTS sleeper
  (n bigint, contract uuid, signer uuid, task uuid, due timestamptz, campus text);
TRUNCATE sleeper;
"""
_DRAW = """
INSERT INTO sleeper SELECT n, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
  now() + interval '2 days' + random() * interval '25 days', $3 FROM generate_series($1::bigint, $2::bigint) AS n
"""
_INVITED = """
INSERT INTO delivery (id, key, purpose, channel, provider, language, to_sealed, to_hash, text, variables, state,
  contract, signer, task, campus, person, created_at, planned_at, state_at, intent, rung, calls)
SELECT gen_random_uuid(), 'step-' || s.task || '-asleep-invitation-0', 'invitation', 'sms', 'sms_twilio', 'zh',
  signer.phone_sealed, signer.phone_hash, 'asleep', '{}', 'delivered', s.contract, s.signer, s.task, s.campus,
  signer.person, now() - interval '1 day', now() - interval '1 day', now() - interval '1 day',
  'step-' || s.task || '-asleep-invitation-0', 0, 1
FROM sleeper s JOIN signer ON signer.id = s.signer
"""
_OVERRIDES: Mapping[str, Mapping[str, str]] = {
    "contract": {
        "id": "s.contract",
        "number": "copied.number || '-asleep-' || s.n",
        "campus": "s.campus",
        "deadline": "now() + interval '60 days'",
    },
    "signer": {
        "id": "s.signer",
        "contract": "s.contract",
        "campus": "s.campus",
        "person": "'asleep-' || s.n",
        "phone_hash": "decode(md5('phone' || s.n), 'hex')",
        "phone_tail_hash": "NULL",
    },
    "signing_task": {
        "id": "s.task",
        "contract": "s.contract",
        "signer": "s.signer",
        "campus": "s.campus",
        "state": "'OPEN'",
        "next_step": "'reminder'",
        "step_number": "1",
        "next_due_at": "s.due",
        "leased_until": "NULL",
        "invited_at": "now() - interval '1 day'",
    },
}


async def add_waiting_contracts(crowd: Crowd, first: int, number: int, campus: str = "hefei") -> None:
    """Create `number` more contracts of this campus. Each was invited a day ago; its first reminder is due in 2 to 27
    days."""
    database = crowd.server.database
    originals = {"contract": crowd.contract, "signer": crowd.signer, "signing_task": crowd.task}
    for begin in range(first, first + number, AT_ONCE):
        await database.execute(_NEW)
        await database.execute(_DRAW, begin, min(begin + AT_ONCE, first + number) - 1, campus)
        for table, original in originals.items():
            await database.execute(_copying(table, original), original["id"])
        await database.execute(_INVITED)
    await database.execute("VACUUM ANALYZE contract, signer, signing_task, delivery")


def _copying(table: str, original: Mapping[str, Any]) -> str:
    columns = [name for name in original if name not in GENERATED]
    values = [_OVERRIDES[table].get(name, f'copied."{name}"') for name in columns]
    quoted = ", ".join(f'"{name}"' for name in columns)
    listed = ", ".join(values)
    into = f"INSERT INTO {table} ({quoted}) SELECT {listed}"
    return f"{into} FROM {table} AS copied, sleeper AS s WHERE copied.id = $1"
