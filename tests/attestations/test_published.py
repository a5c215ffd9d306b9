"""Statements of real Apple and Google devices, judged as of the time at which they were made."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509

from hub.attestations import AttestationContext, Attested, Level, NotAttested, Statement
from hub.attestations.android_key import connect as android_key
from hub.attestations.app_attest import AppAttest, AppAttestOptions
from hub.attestations.cbor import read
from tests.attestations import published
from tests.attestations.published import APPLE_APP, GOOGLES_APPS, GOOGLES_FINGERPRINT, AndroidSample, AppleSample

pytestmark = [pytest.mark.custody, pytest.mark.real]


def place(moment: datetime) -> AttestationContext:
    return AttestationContext("published", None, lambda: moment)  # type: ignore[arg-type] # it asks nobody


def made_at(sample: AppleSample) -> datetime:
    leaf = x509.Certificate.load(read(sample.content)["attStmt"]["x5c"][0])
    began: datetime = leaf.not_valid_before
    return began + timedelta(days=1)


def app_attest(folder: Path, moment: datetime, **options: Any) -> AppAttest:
    root = published.apple_root(folder)
    return AppAttest(AppAttestOptions(**{"roots": [root], "apps": [APPLE_APP], **options}), place(moment))


@pytest.mark.parametrize("environment", ["production", "development"])
async def test_app_attest_of_an_iphone(tmp_path: Path, environment: str) -> None:
    sample = published.apple(environment)
    moment, asked = made_at(sample), (sample.content, sample.key_id, sample.client_data)
    attestor = app_attest(tmp_path, moment, environments=[environment])
    assert await attestor.check_object(*asked) == Attested("ios", APPLE_APP, Level.VOUCHED)
    other = {"production": "development", "development": "production"}[environment]
    not_here = app_attest(tmp_path, moment, environments=[other])
    assert await not_here.check_object(*asked) == NotAttested(("environment",))
    another_app = app_attest(tmp_path, moment, environments=[environment], apps=["V8H6LQ9448.io.uebelacker.Other"])
    assert await another_app.check_object(*asked) == NotAttested(("another-app",))
    later = app_attest(tmp_path, moment + timedelta(days=800), environments=[environment])
    assert await later.check_object(*asked) == NotAttested(("chain-not-trusted",))
    replayed = await attestor.check_object(sample.content, sample.key_id, sample.client_data + b"!")
    assert replayed == NotAttested(("another-challenge",))


@pytest.mark.parametrize("number", [0, 1])
async def test_android_key_of_a_pixel(tmp_path: Path, number: int) -> None:
    """Google's app makes a key that asks the person once for ten seconds: that is the only demand not met, and the only
    one reported."""
    sample = list(published.android())[number]
    assert await verdict(tmp_path, sample) == NotAttested(("not-asked-each-time",))
    replayed = await verdict(tmp_path, replace(sample, challenge=bytes(32)))
    assert replayed == NotAttested(("another-challenge", "not-asked-each-time"))
    later = await verdict(tmp_path, replace(sample, moment=sample.moment + timedelta(days=30)))
    assert later == NotAttested(("not-asked-each-time", "chain-not-trusted"))
    another_app = await verdict(tmp_path, sample, packages=GOOGLES_APPS[:1])
    assert another_app == NotAttested(("not-asked-each-time", "another-app"))
    certificate = bytearray(sample.chain[0])
    certificate[-1] ^= 1
    forged = await verdict(tmp_path, replace(sample, chain=(bytes(certificate), *sample.chain[1:])))
    assert forged == NotAttested(("not-asked-each-time", "chain-not-trusted"))


async def verdict(folder: Path, sample: AndroidSample, packages: tuple[str, ...] = GOOGLES_APPS) -> Any:
    apps = [{"package": package, "fingerprints": [GOOGLES_FINGERPRINT]} for package in packages]
    options = {"roots": [str(published.google_roots(folder))], "apps": apps}
    spki = x509.Certificate.load(sample.chain[0]).public_key.dump()
    statement = Statement("android-key", sample.chain)
    return await android_key(options, place(sample.moment)).check(statement, spki, sample.challenge)
