"""All sentences that the verifier uses only for an OFD, in Chinese and English. `qianda.verify.reasons` has those that
PDF and OFD share."""

from __future__ import annotations

from typing import Final

from qianda.verify.findings import Reason

UNREADABLE: Final = Reason("无法按 OFD 读取这个文件（{what}）。", "The file cannot be read as an OFD ({what}).")
OFFICE: Final = Reason(
    "这是 Word、Excel 之类的办公文件，既不是 PDF，也不是 OFD。",
    "This is a file of an office program such as Word or Excel, neither a PDF nor an OFD.",
)
TOO_LARGE: Final = Reason("文件过大，不予检查（{what}）。", "The file is too large and is not looked at ({what}).")
NO_SM2: Final = Reason(
    "此计算机无法验证 SM2 签名：需要 OpenSSL 3 的 libcrypto，或安装 gmssl-pyx（pip install gmssl-pyx）。",
    "This computer cannot verify SM2 signatures: it needs libcrypto of OpenSSL 3, or the package gmssl-pyx "
    "(pip install gmssl-pyx).",
)

# ---- text unaltered -----------------------------------------------------------------------------------------------
MEMBER_ALTERED: Final = Reason(
    "{members} 与签名中的摘要不符，已被改动。",
    "{members}: altered, the content does not have the hash that was signed.",
)
MEMBER_MISSING: Final = Reason("签名覆盖的 {members} 已不在文件中。", "{members}: signed, and missing from the file.")
MEMBER_TWICE: Final = Reason("签名两次提到 {members}。", "{members}: named twice by one signature.")
MEMBER_UNCOVERED: Final = Reason(
    "此签名没有覆盖 {members}，其内容可能是后来加入的。",
    "{members}: not covered by this signature, and may have been added later.",
)
CHECK_METHOD: Final = Reason(
    "摘要算法 {method} 不被接受，只接受 SM3。", "The hash {method} is not accepted, only SM3 is."
)
STAMP_TOO_LARGE: Final = Reason(
    "此签名的印章图形过大或过多，可能遮住页面内容。",
    "The stamps of this signature are too large or too many: they could hide what is on the pages.",
)
TEXT_SHOWN: Final = Reason(
    "此签名覆盖文件的全部内容，且均未改动。",
    "The signature covers everything in the file, and nothing of it has changed.",
)

# ---- signature unaltered ------------------------------------------------------------------------------------------
VALUE_UNREADABLE: Final = Reason("签名值无法读取（{what}）。", "The signature's value cannot be read ({what}).")
KIND_WRONG: Final = Reason(
    "签名清单所称的类型与签名值不符。", "The value is not of the kind that the list of signatures states."
)
INFO_ALTERED: Final = Reason(
    "签名描述文件与签名值中的摘要不符，已被改动。",
    "The description of the signature does not have the hash that was signed: it was altered.",
)
SEAL_FILE: Final = Reason(
    "印章文件与签名值中的印章不同。", "The file of the seal is not the seal that the signature's value holds."
)
SEAL_FORGED: Final = Reason("印章上的制章者签名不成立。", "The signature of the seal's maker on the seal is wrong.")
SIGNATURE_SHOWN: Final = Reason(
    "摘要、签名值、证书与印章一致。", "Digest, signature value, certificate and seal fit together."
)

# ---- exclusively owned --------------------------------------------------------------------------------------------
NOT_IN_SEAL: Final = Reason(
    "签章所用的证书不在印章的签章者名单中。", "The certificate that sealed is not among those that the seal lists."
)
SEAL_EXPIRED: Final = Reason(
    "签章时间 {time} 不在印章有效期 {start} 至 {end} 之内。",
    "Sealed at {time}, outside the seal's life from {start} to {end}.",
)
MAKER_UNKNOWN: Final = Reason(
    "制章者未知：其证书既未列入信任（可用 --trust 指定），其认证机构也未注明它可以制章。",
    "The maker of the seal is unknown: its certificate is not among those trusted (name it with --trust), and its "
    "authority does not say that it makes seals.",
)
MAKER_CHAIN: Final = Reason(
    "制章者的证书不能追溯到受信任的认证机构（{what}）。",
    "The certificate of the seal's maker does not lead to a trusted authority ({what}).",
)
NO_ISSUER: Final = Reason("找不到签发者 {issuer}", "no trusted issuer {issuer}")
ISSUER_LIFE: Final = Reason("{issuer} 在签署时无效", "{issuer} was not valid at that time")
PATH_TOO_LONG: Final = Reason(
    "{issuer} 不得允许下级机构签发证书", "{issuer} may not let authorities below it issue certificates"
)
DEMANDS_MORE: Final = Reason(
    "{subject} 的证书含有无法识别的关键扩展", "the certificate of {subject} has a critical extension that is not known"
)
ISSUER_WRONG: Final = Reason("{issuer} 的签名不成立", "the signature of {issuer} is wrong")
MAKER_LIFE: Final = Reason("制章时证书无效", "it was not valid when the seal was made")
PURPOSE_WRONG: Final = Reason("证书不可用于签名", "the certificate is not for signing")
CERTIFICATE_UNREADABLE: Final = Reason("证书无法读取", "a certificate cannot be read")
TRUST_MISSING_TIME: Final = Reason(
    "签名没有说明时间，无法判断证书和印章当时是否有效。",
    "The signature states no time: whether certificate and seal were valid cannot be told.",
)
OWNED_DECLARED: Final = Reason(
    "证书由受信任的认证机构签发；OFD 本身不能证明密钥由谁保管，也不含吊销信息：证书是否已被吊销，未作查询。",
    "The certificate is of a trusted authority; an OFD alone does not prove who keeps the key, and says nothing about "
    "revocation: whether the certificate was revoked was not asked.",
)

# ---- time ---------------------------------------------------------------------------------------------------------
TIME_DECLARED: Final = Reason(
    "{time}，由签署方的时钟给出，没有时间戳。", "{time}, by the signer's own clock: there is no timestamp."
)
TIME_UNSTATED: Final = Reason("签名没有说明时间。", "The signature states no time.")
TIME_AHEAD: Final = Reason("所称的时间尚未到来。", "The time that it states has not come yet.")
TIMES_DIFFER: Final = Reason(
    "签名值与签名描述中的时间相差超过一天。",
    "The times in the signature's value and in its description are more than a day apart.",
)
