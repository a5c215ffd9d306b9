"""Sign one PDF with endesive: for each line of the input, TIMES times.

Arguments: the PDF, and key and certificate as PKCS #12. The answer is the CPU seconds for one signature. If a line
names a file, the signed PDF is written there.
"""

import sys
import time
import types
from pathlib import Path

from cryptography.hazmat.primitives.serialization import pkcs12

TIMES = 5


class _NotUsed(types.ModuleType):
    """A stand-in for a module that only endesive's verifier needs, since oscrypto does not support current OpenSSL
    versions."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


for module in ("certvalidator", "certvalidator.context", "certvalidator.errors", "certvalidator.path", "oscrypto"):
    sys.modules[module] = _NotUsed(module)

from endesive.pdf import cms  # type: ignore[import-not-found]  # noqa: E402  # only where the bench has installed it

pdf, identity = (Path(name).read_bytes() for name in sys.argv[1:3])
key, certificate, others = pkcs12.load_key_and_certificates(identity, b"1234")
wanted = {"sigflags": 3, "sigfield": "Peer", "signingdate": "20261201023000+00'00'", "aligned": 16384}
for line in sys.stdin:
    signed, started = b"", time.process_time()
    for _ in range(TIMES):
        signed = pdf + cms.sign(pdf, dict(wanted), key, certificate, others, "sha256")
    print((time.process_time() - started) / TIMES, flush=True)
    if line.strip():
        Path(line.strip()).write_bytes(signed)
