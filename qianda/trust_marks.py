"""Marks in certificates that the hub writes and the verifier reads."""

from __future__ import annotations

from typing import Final

# Certificate policy "for trial and internal use only": every certificate of the built-in authority has it.
#
# The OID is derived from a UUID (Rec. ITU-T X.667), so it need not be registered.
TRIAL_POLICY_OID: Final = "2.25.151475868289990718863625059524652513882"

# Certificate policy "the seal of the organisation": the built-in authority never gives it to a person.
SEAL_POLICY_OID: Final = "2.25.80970136730102162814577989914041284804"

# Certificate policy "makes electronic seals" (GB/T 38540): such a certificate signs seals, but does not seal documents.
SEAL_MAKER_POLICY_OID: Final = "2.25.246829797968674546976065227379095465771"

# Attribute of a subject: the passkey that may confirm what the certificate's key signs (`qianda.passkey_binding`).
PASSKEY_BINDING_OID: Final = "2.25.150163826585966368932947276595832730945"

# TSA policy (RFC 3161, 2.4.2) of the built-in timestamp authority, for trial and internal use only.
TRIAL_TIMESTAMP_POLICY_OID: Final = "2.25.94403158214627390168925671437280915514"

# The words in brackets in the organisation name of every issuer and subject of the built-in authority.
TRIAL_NOTICE: Final = "trial and internal use only"
