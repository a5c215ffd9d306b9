"""The certificate of the school's seal: requested, installed and renewed, while the key stays on the token."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.doctor import examine
from hub.errors import BadInput, CertificateNotForSigning, CertificateNotTrusted, CertificateNotValid, WrongInstallation
from hub.initialise import initialise, renew
from hub.installation.pki import write_seal_certificate
from hub.installation.trust import trust_authority
from hub.seal_setup import Pkcs12File, install_pkcs12, install_seal, renew_builtin_seal, request_seal, seal_status
from hub.settings import Settings
from hub.store.server.installation import find_binding, mark
from hub.wiring import Hub, build, utc_now
from qianda.verify.trust import Trust, list_trust_files
from tests.database import Dsns
from tests.running import token_settings

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
CRL = "http://127.0.0.1:9/revoked.crl"


@dataclass
class Licensed:
    """An authority that the hub does not know: a root, an issuing authority below it, and its certificates for
    requests."""

    root_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    root: x509.Certificate = field(init=False)
    issuing: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        self.root = self._ca("Licensed Root", self.root_key, "Licensed Root", self.root_key)
        self.issuing = self._ca("Licensed CA", self.key, "Licensed Root", self.root_key)

    def _ca(
        self, subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey
    ) -> x509.Certificate:
        return (
            begun(subject, issuer, key.public_key(), (NOW - DAY, NOW + 3650 * DAY))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(points(), critical=False)
            .sign(signer, hashes.SHA256())
        )

    def issue(
        self,
        key: ec.EllipticCurvePublicKey,
        *extensions: x509.ExtensionType,
        life: tuple[datetime, datetime] = (NOW - DAY, NOW + 365 * DAY),
    ) -> x509.Certificate:
        builder = begun("合肥市明德培训学校", "Licensed CA", key, life)
        for extension in extensions or (usage(digital_signature=True, content_commitment=True), points()):
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.KeyUsage))
        return builder.sign(self.key, hashes.SHA256())


def begun(
    subject: str, issuer: str, key: ec.EllipticCurvePublicKey, life: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
    return x509.CertificateBuilder(names[1], names[0], key, x509.random_serial_number(), *life)


def usage(**uses: bool) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"
    )
    every = dict.fromkeys([*names.split(), "encipher_only", "decipher_only"], False)
    return x509.KeyUsage(**(every | uses))


def points() -> x509.CRLDistributionPoints:
    return x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier(CRL)], None, None, None)])


def files(*certificates: x509.Certificate) -> list[tuple[str, bytes]]:
    pem = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)
    return [("seal.pem", pem)]


@dataclass
class Place:
    """An installation with the built-in seal."""

    settings: Settings
    dsns: Dsns

    async def public_key(self) -> ec.EllipticCurvePublicKey:
        key = x509.load_pem_x509_csr(await request_seal(self.settings)).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return key

    @asynccontextmanager
    async def hub(self) -> AsyncIterator[Hub]:
        hub = await build(self.settings, self.dsns.app, demo=False)
        try:
            yield hub
        finally:
            await hub.close()

    async def bound(self) -> str:
        found = await find_binding(self.dsns.owner)
        assert found is not None
        return found.seal


@pytest.fixture
async def place(database: Dsns, tmp_path: Path) -> Place:
    await mark(database.owner, "production", utc_now())
    settings = Settings.load(data=tmp_path / "data", origin="https://sign.example.org", token=token_settings())
    await initialise(settings, database.owner)
    return Place(settings, database)


async def test_the_request_is_one_by_openssl(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "seal.csr"
    path.write_bytes(await request_seal(place.settings))
    command = ["openssl", "req", "-in", str(path), "-verify", "-noout", "-subject", "-nameopt", "utf8", "-text"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "verify OK" in said.stdout + said.stderr  # OpenSSL 3.5 says it on the other one
    assert "NTRCN-91340100MA0000000G" in said.stdout and "新航线教育集团" in said.stdout
    assert "Digital Signature, Non Repudiation" in said.stdout
    request = x509.load_pem_x509_csr(path.read_bytes())
    async with place.hub() as hub:
        spki = request.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        assert spki == hub.services.sealing.seal.key.spki


async def test_a_certificate_with_its_chain_becomes_the_seals(place: Place) -> None:
    licensed = Licensed()
    leaf = licensed.issue(await place.public_key())
    said = await install_seal(place.settings, place.dsns.owner, files(licensed.root, leaf, licensed.issuing))
    assert said.startswith("The database knows the new certificates now")
    assert await place.bound() == leaf.fingerprint(hashes.SHA256()).hex()
    async with place.hub() as hub:
        status = seal_status(hub)
        ders = [each.public_bytes(serialization.Encoding.DER) for each in (leaf, licensed.issuing, licensed.root)]
        assert list(hub.services.sealing.seal.chain) == ders
        assert (status.is_builtin, status.is_remote, status.issuer) == (False, False, "Licensed CA")
        assert "issued by Licensed CA" in status.lines()[0] and "declared" in status.lines()[2]
        said_of = {each.part: each for each in await examine(hub)}
        assert not said_of["seal certificate"].well  # nobody answers at the address of its CRL
        assert said_of["token"].well
    trust = Trust.load(list_trust_files(place.settings.data / "trust"))
    assert ders[2] in [each.dump() for each in trust.authorities]
    assert ders[0] in [each.dump() for each in trust.seals] and len(trust.seals) == 2  # the earlier one still counts
    again = await install_seal(place.settings, place.dsns.owner, files(licensed.root, leaf, licensed.issuing))
    assert again == "This certificate is the seal's already. Nothing was changed."
    assert (await initialise(place.settings, place.dsns.owner)).startswith(
        "This data folder and this database are bound"
    )


async def test_a_later_certificate_takes_the_place_of_the_first_which_is_kept(place: Place) -> None:
    licensed, key = Licensed(), await place.public_key()
    for days in (100, 400):
        leaf = licensed.issue(key, life=(NOW - DAY, NOW + days * DAY))
        await install_seal(place.settings, place.dsns.owner, files(leaf, licensed.issuing, licensed.root))
    async with place.hub() as hub:
        assert hub.services.sealing.seal.chain[0] == leaf.public_bytes(serialization.Encoding.DER)
    assert len(list((place.settings.data / "authority").glob("seal-chain-*.pem"))) == 1
    with pytest.raises(BadInput, match="run `qianda seal request`"):
        await renew_builtin_seal(place.settings, place.dsns.owner)


async def test_the_built_in_authority_renews_its_own(place: Place) -> None:
    before = await place.bound()
    async with place.hub() as hub:
        assert seal_status(hub).is_builtin and "not shown" in seal_status(hub).lines()[2]
        old = hub.services.sealing.seal.chain
    await renew_builtin_seal(place.settings, place.dsns.owner)
    async with place.hub() as hub:
        new = hub.services.sealing.seal.chain
        assert new[0] != old[0] and new[1] == old[1] and seal_status(hub).is_builtin
    assert await place.bound() != before
    assert len(Trust.load(list_trust_files(place.settings.data / "trust")).seals) == 2


async def test_killed_between_file_and_row_every_start_says_what_to_do(place: Place) -> None:
    licensed = Licensed()
    leaf = licensed.issue(await place.public_key())
    chain = [each.public_bytes(serialization.Encoding.DER) for each in (leaf, licensed.issuing, licensed.root)]
    write_seal_certificate(place.settings, chain)
    with pytest.raises(WrongInstallation, match="run `qianda init --renew` once"):
        async with place.hub():
            raise AssertionError("started")
    await renew(place.settings, place.dsns.owner)
    async with place.hub() as hub:
        assert seal_status(hub).issuer == "Licensed CA"


async def test_a_certificate_that_does_not_fit_is_refused_with_its_reason(place: Place) -> None:
    licensed, other = Licensed(), Licensed()
    key = await place.public_key()
    good = licensed.issue(key)
    above = (licensed.issuing, licensed.root)
    signing = usage(digital_signature=True)
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    async with place.hub() as hub:
        builtin = [x509.load_der_x509_certificate(each) for each in hub.services.sealing.seal.chain]
    cases: list[tuple[tuple[x509.Certificate, ...], type[Exception], str]] = [
        (above, BadInput, "none of these certificates is for the seal's key"),
        ((licensed.issue(licensed.key.public_key()), *above), BadInput, "none of these certificates is for"),
        ((good,), BadInput, "the root of the authority is missing"),
        ((good, licensed.issuing), BadInput, "the root of the authority is missing"),
        ((good, licensed.root), CertificateNotTrusted, "none of the authorities"),
        ((good, other.issuing, other.root), CertificateNotTrusted, "its chain is not valid|none of the authorities"),
        ((licensed.issue(key, life=(NOW - 9 * DAY, NOW - DAY)), *above), CertificateNotValid, "has expired"),
        ((licensed.issue(key, life=(NOW + DAY, NOW + 9 * DAY)), *above), CertificateNotValid, "not valid yet"),
        ((licensed.issue(key, usage(key_encipherment=True), points()), *above), CertificateNotForSigning, "key usage"),
        ((licensed.issue(key, signing, server, points()), *above), CertificateNotForSigning, "other purposes"),
        ((licensed.issue(key, signing), *above), CertificateNotTrusted, "neither a revocation list nor an OCSP"),
        (tuple(builtin), BadInput, "made by `qianda seal renew`"),
    ]
    folder, bound = place.settings.data / "authority", await place.bound()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for certificates, error, reason in cases:
        with pytest.raises(error, match=reason):
            await install_seal(place.settings, place.dsns.owner, files(*certificates))
    unreadable = {"text.pem": b"no certificate", "empty.pem": b"", "key.pem": await request_seal(place.settings)}
    for name, data in unreadable.items():
        with pytest.raises(BadInput, match=name):
            await install_seal(place.settings, place.dsns.owner, [(name, data)])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert await place.bound() == bound


def pkcs12_file(
    key: ec.EllipticCurvePrivateKey, leaf: x509.Certificate | None, *above: x509.Certificate, password: str = "secret"
) -> Pkcs12File:
    encryption = serialization.BestAvailableEncryption(b"secret")
    data = pkcs12.serialize_key_and_certificates(b"seal", key, leaf, above, encryption)
    return Pkcs12File("seal.p12", data, password)


async def test_a_key_that_comes_with_its_certificate_seals_from_then_on(place: Place) -> None:
    licensed, key = Licensed(), ec.generate_private_key(ec.SECP256R1())
    leaf = licensed.issue(key.public_key())
    file = replace(pkcs12_file(key, leaf, licensed.issuing), above=files(licensed.root))
    await install_pkcs12(place.settings, place.dsns.owner, file)
    assert await place.bound() == leaf.fingerprint(hashes.SHA256()).hex()
    async with place.hub() as hub:
        seal = hub.services.sealing.seal
        key.public_key().verify(await seal.key.sign(b"message"), b"message", ec.ECDSA(hashes.SHA256()))
        assert seal.custody == "token"
        assert "imported into the token; copies of its file may exist" in seal_status(hub).lines()[0]
        assert "declared" in seal_status(hub).lines()[2]
        assert "no token protects it" in replace(seal_status(hub), is_software=True).lines()[0]
    assert (await install_pkcs12(place.settings, place.dsns.owner, file)).endswith("Nothing was changed.")
    assert (await initialise(place.settings, place.dsns.owner)).startswith("This data folder and this database are")
    own = licensed.issue(await place.public_key())  # back to the key that never left the token
    await install_seal(place.settings, place.dsns.owner, files(own, licensed.issuing, licensed.root))
    async with place.hub() as hub:
        assert "its key is on the token" in seal_status(hub).lines()[0]


async def test_a_key_that_does_not_fit_its_certificate_changes_nothing(place: Place) -> None:
    licensed, key, other = Licensed(), *(ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    above = (licensed.issuing, licensed.root)
    good = licensed.issue(key.public_key())
    late = licensed.issue(key.public_key(), life=(NOW - 9 * DAY, NOW - DAY))
    unfit = licensed.issue(key.public_key(), usage(key_encipherment=True), points())
    cases: list[tuple[Pkcs12File, type[Exception], str]] = [
        (pkcs12_file(key, good, *above, password="other"), BadInput, "the password does not open seal.p12"),
        (pkcs12_file(key, late, *above), CertificateNotValid, "has expired"),
        (pkcs12_file(key, unfit, *above), CertificateNotForSigning, "key usage"),
        (pkcs12_file(key, good), BadInput, "the root of the authority is missing"),
        (pkcs12_file(key, good, licensed.root), CertificateNotTrusted, "none of the authorities"),
        (pkcs12_file(other, None, good, *above), BadInput, "no certificate in seal.p12 is for the key in it"),
    ]
    folder, bound = place.settings.data / "authority", await place.bound()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for file, error, reason in cases:
        with pytest.raises(error, match=reason):
            await install_pkcs12(place.settings, place.dsns.owner, file)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert await place.bound() == bound


async def test_a_seal_at_a_signing_service_gets_its_certificates_there(place: Place) -> None:
    remote = place.settings.model_copy(update={"seal": {"kind": "csc"}})
    with pytest.raises(BadInput, match="at a signing service"):
        await request_seal(remote)
    with pytest.raises(BadInput, match="at a signing service"):
        await install_seal(remote, place.dsns.owner, [])


def test_an_authority_that_has_a_new_root_leaves_the_earlier_one_trusted(tmp_path: Path) -> None:
    """What was signed or sealed under the earlier root is still to be checked."""
    settings = Settings.load(data=tmp_path)
    roots = [Licensed().root.public_bytes(serialization.Encoding.DER) for _ in range(2)]
    for root in (roots[0], roots[1], roots[1], roots[0]):
        trust_authority(settings, "seal", (root,))
        assert root in {each.dump() for each in Trust.load(list_trust_files(tmp_path / "trust")).authorities}
    assert {each.dump() for each in Trust.load(list_trust_files(tmp_path / "trust")).authorities} == set(roots)
