"""Request bodies of the signing protocol: strict and bounded; unknown members are refused."""

from __future__ import annotations

from base64 import b64decode
from typing import Annotated, Literal, TypeVar

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from hub.bounded_read import read_limited
from hub.errors import BadInput
from hub.model.contract.asked_field import MAX_ASKED_FIELDS
from hub.model.signing.device_key import MAX_LABEL_LENGTH
from hub.model.signing.signature_request import Custody
from hub.web.api.schemas import SignerAsked, StudentAsked

MAX_JSON_BYTES = 256 << 10
MAX_STROKES, MAX_POINTS = 200, 5000


def _base64(value: str) -> str:
    b64decode(value, validate=True)
    return value


Text = Annotated[str, StringConstraints(max_length=200)]
Long = Annotated[str, StringConstraints(max_length=1000)]
Base64 = Annotated[str, StringConstraints(min_length=4, max_length=16384), AfterValidator(_base64)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F-]{36}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Point = Annotated[list[Share], Field(min_length=2, max_length=2)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Nothing(Body):
    pass


class CodeAsked(Body):
    """Request for a code. `channel`: `voice` to have it read by phone; ignored if there is no such channel."""

    channel: Text | None = None


class Open(Body):
    """Start of a session with exactly one of: a ticket; a pickup code with phone; a poster with phone and name."""

    ticket: Text | None = None
    pickup_code: Text | None = None
    poster: Text | None = None
    phone: Text | None = None
    name: Text | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Open:
        given = {name for name, value in self if value is not None}
        if given not in ({"ticket"}, {"pickup_code", "phone"}, {"poster", "phone", "name"}):
            raise ValueError("give ticket, or pickup_code and phone, or poster, phone and name")
        return self


class Verify(Body):
    """Verification. A poster visitor sends only the code."""

    code: Text
    name: Text | None = None
    id_tail: Annotated[str, StringConstraints(max_length=20)] | None = None


class Enrol(Body):
    """Enrolment; people are given as in the integration API."""

    course: Text
    student: StudentAsked
    signers: Annotated[list[SignerAsked], Field(min_length=1, max_length=8)]


Chain = Annotated[list[Base64], Field(min_length=1, max_length=10)]


class AndroidKeyBody(Body):
    """Result of `KeyStore.getCertificateChain`, the certificate of the key first."""

    format: Literal["android-key"]
    certificate_chain: Chain


class AppAttestBody(Body):
    """Result of `DCAppAttestService`."""

    format: Literal["apple-appattest"]
    key_id: Base64
    object: Base64


class Key(Body):
    """A signer's key.

    `spki`: SubjectPublicKeyInfo (DER); a key with its own certificate sends `certificate_chain` instead, its own first.
    `proof`: raw r‖s, or the RSA signature. `attestation`: the platform's, for an app's key. `device`: the app's name
    for the device. `passkey`: id of the person's passkey to be named in a new certificate.
    """

    proof: Base64
    custody: Text
    spki: Base64 | None = None
    certificate_chain: Chain | None = None
    attestation: Annotated[AndroidKeyBody | AppAttestBody, Field(discriminator="format")] | None = None
    device: Annotated[str, StringConstraints(max_length=MAX_LABEL_LENGTH)] = ""
    passkey: Base64 | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Key:
        if (self.spki is None) == (self.certificate_chain is None):
            raise ValueError("give spki or certificate_chain")
        if self.attestation is not None and (self.spki is None or self.custody != Custody.APP_KEYSTORE):
            raise ValueError("an attestation is only allowed with the spki of an app-keystore")
        if self.passkey is not None and self.spki is None:
            raise ValueError("a certificate that the signer brings already names its passkey")
        return self


class ConsentBody(Body):
    version: Text
    sha256: Sha256


class Appearance(Body):
    """The handwritten name: strokes of points `[x, y]`, each from 0 to 1, origin at the upper left."""

    strokes: Annotated[list[list[Point]], Field(max_length=MAX_STROKES)]

    @model_validator(mode="after")
    def _not_endless(self) -> Appearance:
        if sum(len(stroke) for stroke in self.strokes) > MAX_POINTS:
            raise ValueError(f"at most {MAX_POINTS} points")
        return self


class Prepare(Body):
    document_sha256: Sha256
    consent: ConsentBody
    appearance: Appearance | None = None


class PasskeyAssertion(Body):
    """A WebAuthn assertion. `credential`: id of the passkey."""

    credential: Base64
    authenticator_data: Base64
    client_data: Base64
    signature: Base64


class Signature(Body):
    request: Identifier
    signature: Base64
    assertion: PasskeyAssertion | None = None
    scripts_sha256: Sha256 | None = None


class FreshPasskey(Body):
    authenticator_data: Base64
    client_data: Base64


class Decline(Body):
    reason: Long = ""


class AnswersBody(Body):
    """What a signer has filled in, by the names of the fields."""

    values: Annotated[dict[Text, Long], Field(max_length=MAX_ASKED_FIELDS)]


class QuestionBody(Body):
    text: Long = ""
    kind: Text = "question"


class Relink(Body):
    ticket: Text | None = None
    phone: Text | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Relink:
        if (self.ticket is None) == (self.phone is None):
            raise ValueError("give ticket or phone")
        return self


class Claim(Body):
    code: Annotated[str, StringConstraints(max_length=40)]


class Confirm(Body):
    certificate_sha256: Sha256


class DeviceBody(Body):
    id: Identifier


class Phone(Body):
    phone: Text


class RefusalBody(Body):
    request: Identifier
    reason: Long


Some = TypeVar("Some", bound=Body)


async def read_body(request: web.Request, limit: int) -> bytes:
    """Return the body. Raises HTTPRequestEntityTooLarge if it is longer than `limit` bytes."""
    return await read_limited(request.content, limit, lambda _: web.HTTPRequestEntityTooLarge(limit, limit + 1))


async def body(request: web.Request, kind: type[Some]) -> Some:
    """Parse the JSON body as `kind`. Raises BadInput with the field, or HTTPRequestEntityTooLarge."""
    if (request.content_length or 0) > MAX_JSON_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_JSON_BYTES, request.content_length or 0)
    content = await read_body(request, MAX_JSON_BYTES)
    try:
        return kind.model_validate_json(content or b"{}")
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{field}: {first['msg']}" if field else first["msg"], field=field) from None
