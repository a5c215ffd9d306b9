"""The SM2 seal with which the configured seal seals OFD files: three files in a folder, and how to make a trial one.

`seal.esl` is the electronic seal (GB/T 38540), `certificate.der` that of its key, and `key.json` the key: a software
key, encrypted by a passphrase that lies elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hub.errors import BadInput
from hub.store.kernel.durable_files import make_folder
from hub.store.kernel.private_files import write_private

if TYPE_CHECKING:
    from hub.documents.sealing.file_sealer import OfdSeal

SEAL: Final = "seal.esl"
CERTIFICATE: Final = "certificate.der"
KEY: Final = "key.json"
ROOT: Final = "root.pem"
LABEL: Final = "seal-sm2"
SIDE: Final = 42  # mm
LIFE: Final = timedelta(days=730)


def load_ofd_seal(folder: Path, passphrase: bytes) -> OfdSeal:
    """Return the seal in a folder. Raises ValueError for what is no seal or does not fit its key, OSError, and
    TokenUnavailable if the key does not open."""
    from asn1crypto import x509

    from hub.documents.sealing.file_sealer import OfdSeal
    from hub.tokens.sm2_softkey import Sm2SoftKey
    from qianda.ofd.seal_syntax import EncodedSeal

    seal, certificate = (folder / SEAL).read_bytes(), (folder / CERTIFICATE).read_bytes()
    key = Sm2SoftKey.decrypt((folder / KEY).read_bytes(), passphrase)
    picture = EncodedSeal.load(seal)["info"]["picture"]
    if x509.Certificate.load(certificate).public_key.dump() != key.spki:
        raise ValueError(f"{folder / CERTIFICATE}: the certificate is not for the key in {KEY}")
    return OfdSeal(seal, certificate, key, (float(picture["width"].native), float(picture["height"].native)))


async def make_trial_seal(
    folder: Path, passphrase: bytes, organisation: str, clock: Callable[[], datetime]
) -> list[str]:
    """Make a trial authority and a seal of it in a new folder; return what to do with it. Its root signs nothing else,
    and its key is not kept. Raises BadInput if there is a seal, or for a short passphrase."""
    if (folder / SEAL).exists():
        raise BadInput(f"{folder / SEAL} is there already", field="folder")
    files = await _made(passphrase, organisation, clock)
    make_folder(folder)
    for name, content in files.items():
        write_private(folder / name, content)
    return [
        f"{folder}: a trial seal for OFD files, with a key in software.",
        f'In the configuration: [seal_files] ofd = "{folder}", ofd_passphrase_file = …',
        f"`qianda verify FILE.ofd --trust {folder / ROOT}` knows its authority.",
    ]


async def _made(passphrase: bytes, organisation: str, clock: Callable[[], datetime]) -> dict[str, bytes]:
    from asn1crypto import pem

    from hub.authorities.sm2 import Sm2Authority, make_sm2_root
    from hub.documents.ofd.seal import NewSeal, SealPicture, finish_seal, seal_info
    from hub.documents.sealing.ofd_picture import picture_of
    from hub.documents.stamps import seal_stamp
    from hub.tokens.sm2_softkey import Sm2SoftKey

    root_key, maker, key = (Sm2SoftKey.generate(label) for label in ("root-sm2", "seal-maker-sm2", LABEL))
    try:
        kept = key.encrypt(passphrase)
    except ValueError as error:
        raise BadInput(str(error), field="passphrase") from error
    root, now = await make_sm2_root(root_key, clock, organisation), clock()
    authority = Sm2Authority(root_key, root, clock, organisation)
    certificate = await authority.issue_seal(key.spki, organisation)
    new = NewSeal(
        number="QD-OFD-1",
        name=f"{organisation}合同专用章",
        picture=SealPicture(picture_of(seal_stamp(organisation)), SIDE, SIDE),
        certificates=(certificate,),
        valid_from=now,
        valid_until=now + LIFE,
        maker=await authority.issue_seal_maker(maker.spki, f"{organisation} Seals"),
    )
    info = seal_info(new)
    seal = finish_seal(new, info, await maker.sign(info))
    return {SEAL: seal, CERTIFICATE: certificate, KEY: kept, ROOT: pem.armor("CERTIFICATE", root)}
