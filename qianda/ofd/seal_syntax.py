"""The ASN.1 of electronic seals: GM/T 0031 (version 1), GB/T 38540 (versions 4 and 5)."""

from asn1crypto import core


class SealHeader(core.Sequence):  # type: ignore[misc]
    _fields = [("id", core.IA5String), ("version", core.Integer), ("vendor", core.IA5String)]  # noqa: RUF012


class CertificateList(core.SequenceOf):  # type: ignore[misc]
    _child_spec = core.OctetString


class CertificateDigest(core.Sequence):  # type: ignore[misc]
    _fields = [("type", core.PrintableString), ("value", core.OctetString)]  # noqa: RUF012


class CertificateDigestList(core.SequenceOf):  # type: ignore[misc]
    _child_spec = CertificateDigest


class SealPropertyV1(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("type", core.Integer),
        ("name", core.UTF8String),
        ("certificates", CertificateList),
        ("created", core.Any),
        ("valid_from", core.Any),
        ("valid_until", core.Any),
    ]


class SealProperty(core.Sequence):  # type: ignore[misc]
    """`list_type` 1: `certificates` is a CertificateList; 2: a CertificateDigestList."""

    _fields = [  # noqa: RUF012
        ("type", core.Integer),
        ("name", core.UTF8String),
        ("list_type", core.Integer),
        ("certificates", core.Any),
        ("created", core.Any),
        ("valid_from", core.Any),
        ("valid_until", core.Any),
    ]


class EncodedPicture(core.Sequence):  # type: ignore[misc]
    """Width and height in millimetres."""

    _fields = [  # noqa: RUF012
        ("type", core.IA5String),
        ("data", core.OctetString),
        ("width", core.Integer),
        ("height", core.Integer),
    ]


_EXTENSIONS = ("extensions", core.Any, {"explicit": 0, "optional": True})


class SealInfo(core.Sequence):  # type: ignore[misc]
    """`property` is a SealPropertyV1 in version 1, a SealProperty otherwise."""

    _fields = [  # noqa: RUF012
        ("header", SealHeader),
        ("number", core.IA5String),
        ("property", core.Any),
        ("picture", EncodedPicture),
        _EXTENSIONS,
    ]


class MakerSignatureV1(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("certificate", core.OctetString),
        ("algorithm", core.ObjectIdentifier),
        ("signature", core.BitString),
    ]


class SealV1(core.Sequence):  # type: ignore[misc]
    _fields = [("info", SealInfo), ("made", MakerSignatureV1)]  # noqa: RUF012


class EncodedSeal(core.Sequence):  # type: ignore[misc]
    """SESeal of versions 4 and 5."""

    _fields = [  # noqa: RUF012
        ("info", SealInfo),
        ("certificate", core.OctetString),
        ("algorithm", core.ObjectIdentifier),
        ("signature", core.BitString),
    ]


class ToBeSignedV1(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("seal", SealV1),
        ("time", core.BitString),
        ("data_hash", core.BitString),
        ("property_info", core.IA5String),
        ("certificate", core.OctetString),
        ("algorithm", core.ObjectIdentifier),
    ]


class SealSignatureV1(core.Sequence):  # type: ignore[misc]
    _fields = [("to_sign", ToBeSignedV1), ("signature", core.BitString)]  # noqa: RUF012


class ToBeSigned(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("seal", EncodedSeal),
        ("time", core.Any),
        ("data_hash", core.BitString),
        ("property_info", core.IA5String),
        _EXTENSIONS,
    ]


class SealSignature(core.Sequence):  # type: ignore[misc]
    """SES_Signature of versions 4 and 5."""

    _fields = [  # noqa: RUF012
        ("to_sign", ToBeSigned),
        ("certificate", core.OctetString),
        ("algorithm", core.ObjectIdentifier),
        ("signature", core.BitString),
        ("timestamp", core.BitString, {"explicit": 0, "optional": True}),
    ]
