"""The scope that a key needs for each operation of the API. An operation without a scope is not routed."""

from __future__ import annotations

from collections.abc import Mapping

from hub.model.staff.key_scopes import KeyScope

SCOPES: Mapping[str, KeyScope] = {
    "issueContract": KeyScope.ISSUE,
    "keepDocument": KeyScope.ISSUE,
    "reissueContract": KeyScope.ISSUE,
    "listContracts": KeyScope.READ,
    "readContract": KeyScope.READ,
    "readFinalFile": KeyScope.READ,
    "readFinalOfd": KeyScope.READ,
    "readEvidence": KeyScope.READ,
    "readAddendum": KeyScope.READ,
    "readReminders": KeyScope.READ,
    "readRecord": KeyScope.READ,
    "verifyFile": KeyScope.READ,
    "handOutLink": KeyScope.ACT,
    "remind": KeyScope.ACT,
    "voidContract": KeyScope.ACT,
    "extendDeadline": KeyScope.ACT,
    "changePhone": KeyScope.ACT,
    "sealFiles": KeyScope.SEAL,
    "readSealJob": KeyScope.SEAL,
    "listSealItems": KeyScope.SEAL,
    "readSealedFile": KeyScope.SEAL,
    "readSealedFiles": KeyScope.SEAL,
    "listSeals": KeyScope.MANAGE_SEALS,
    "applyForSeal": KeyScope.MANAGE_SEALS,
    "readSeal": KeyScope.MANAGE_SEALS,
    "grantSeal": KeyScope.MANAGE_SEALS,
    "revokeGrant": KeyScope.MANAGE_SEALS,
    "activateSeal": KeyScope.MANAGE_SEALS,
    "suspendSeal": KeyScope.MANAGE_SEALS,
    "resumeSeal": KeyScope.MANAGE_SEALS,
    "revokeSeal": KeyScope.MANAGE_SEALS,
    "archiveSeal": KeyScope.MANAGE_SEALS,
    "listSealUses": KeyScope.MANAGE_SEALS,
}
