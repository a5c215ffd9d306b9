"""Statements for a server's administrator hold no password, and its verifier is that of the standard."""

from __future__ import annotations

import base64
import hmac

import pytest

from hub.errors import BadInput
from hub.store.server.server_roles import plan_roles, scram_verifier

# RFC 7677, section 3.
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
MESSAGE = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={NONCE}"
SERVER_SIGNATURE = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_verifier_is_that_of_the_standard() -> None:
    head, salt, keys = scram_verifier("pencil", SALT).split("$")
    assert (head, salt) == ("SCRAM-SHA-256", "4096:W22ZaJ0SNY7soEsUEjb6gQ==")
    server_key = base64.b64decode(keys.split(":")[1])
    assert base64.b64encode(hmac.digest(server_key, MESSAGE.encode(), "sha256")).decode() == SERVER_SIGNATURE


def test_the_statements_hold_no_password() -> None:
    plan = plan_roles("school")
    assert [each.split(" ")[0] for each in plan.statements] == ["CREATE", "CREATE", "CREATE", "REVOKE", "GRANT"]
    for role, password in plan.passwords.items():
        assert len(password) == 32 and password not in "".join(plan.statements)
        assert plan.address(role, "db:5432") == f"postgresql://{role}:{password}@db:5432/school"
    again = plan_roles("school", frozenset({"app"}), has_database=True)
    assert [each[:17] for each in again.statements[:2]] == ["CREATE ROLE owner", "ALTER ROLE app LO"]


@pytest.mark.parametrize("name", ["", "a b", 'a"; DROP DATABASE x; --', "a" * 64, "Übung"])
def test_a_database_has_a_plain_name(name: str) -> None:
    with pytest.raises(BadInput):
        plan_roles(name)
