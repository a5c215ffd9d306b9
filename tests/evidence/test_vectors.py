"""The containers and evidence records of EU DSS, good ones and bad ones: written by others, read by us."""

from __future__ import annotations

from pathlib import Path

import pytest

from qianda.evidence.container import open_container
from qianda.evidence.reasons import BadPackage

VECTORS = Path(__file__).parents[2].parent / "shared" / "peers" / "asic"


def vector(name: str) -> bytes:
    path = VECTORS / f"{name}.asice"
    if not path.exists():
        pytest.skip(f"{path.name} is missing: it belongs in ../shared/peers/asic, beside the repository")
    return path.read_bytes()


@pytest.mark.parametrize("name", ["onefile-ok", "multifiles-ok"])
def test_accepts_signed_containers(name: str) -> None:
    container = open_container(vector(name), ours=False)
    assert list(container.signatures) == ["META-INF/ASiCManifest.xml"]


@pytest.mark.parametrize(
    ("name", "renewals", "since"),
    [
        ("er-asn1-multi-files", 0, "2023-12-07 16:10:23"),
        ("er-asn1-tst-renewal", 1, "2023-12-07 16:05:57"),
        ("er-asn1-chain-renewal", 1, "2023-12-07 16:10:23"),
    ],
)
def test_accepts_evidence_records(name: str, renewals: int, since: str) -> None:
    (proof,) = open_container(vector(name), ours=False).proofs.values()
    assert (proof.renewals, f"{proof.since:%Y-%m-%d %H:%M:%S}") == (renewals, since)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("brokenReference", "was changed"),
        ("removedReference", "not in the package"),
        ("er-asn1-incorrect-hash", "does not lead to its timestamp"),
    ],
)
def test_refuses_the_bad_ones(name: str, why: str) -> None:
    with pytest.raises(BadPackage, match=why):
        open_container(vector(name), ours=False)


def test_a_foreign_container_is_none_of_ours() -> None:
    with pytest.raises(BadPackage, match="mimetype"):
        open_container(vector("onefile-ok"))
