"""The faults that an evidence package can have, in both languages."""

from __future__ import annotations

from typing import Final

from qianda.verify.findings import Reason


class BadPackage(Exception):
    """The package is not believed. `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.en)
        self.reason = reason


TOO_MUCH: Final = Reason("压缩包超过限制：{what}", "the package exceeds a limit: {what}")
MALFORMED: Final = Reason("有内容缺失或格式不对", "something is missing or malformed")
ORDINARY_ZIP: Final = Reason(
    "这是普通的 ZIP 压缩包，不是证据包；请解压后逐一核验其中的文件",
    "this is an ordinary ZIP file, not an evidence package; unpack it, and check each file in it",
)
MIMETYPE_WRONG: Final = Reason(
    "第一个条目不是未压缩的 mimetype，或类型不符",
    "the first item is not the mimetype, stored as it is, of an ASiC-E package",
)
MANIFEST_UNREADABLE: Final = Reason("清单 {name} 无法读取：{what}", "the manifest {name} cannot be read: {what}")
MANIFEST_MISSING: Final = Reason("压缩包中没有清单", "there is no manifest in the package")
ITEM_MISSING: Final = Reason("缺少清单所列的条目 {name}", "{name} is in the manifest and not in the package")
ITEM_UNLISTED: Final = Reason("条目 {name} 不在清单中", "{name} is in the package and not in the manifest")
ITEM_CHANGED: Final = Reason("条目 {name} 已被更改", "{name} is not what the manifest says: it was changed")
HASH_UNKNOWN: Final = Reason("不接受的摘要算法：{what}", "a digest algorithm that is not accepted: {what}")
SIGNATURE_WRONG: Final = Reason("清单的签名无效：{why}", "the signature over the manifest is wrong: {why}")
SIGNATURE_MISSING: Final = Reason("没有对清单的签名", "nothing signs the manifest")
SIGNER_UNKNOWN: Final = Reason(
    "签名者不受信任：其证书不能追溯到受信任的认证机构、已失效，或不能确认未被吊销",
    "the signer of the package is not trusted: no path leads from its certificate to a trusted authority, or one on "
    "the path was not valid, or may have been revoked",
)
LISTS_UNREADABLE: Final = Reason(
    "签名者的证书吊销列表无法读取", "a revocation list for the signer of the package cannot be read"
)
TIME_UNKNOWN: Final = Reason("时间戳机构不受信任", "the timestamp is of an authority that is not trusted")
NOT_OF_A_CONTRACT: Final = Reason("不是签达的证据包：{what}", "not an evidence package of Qianda: {what}")
CHAIN_BROKEN: Final = Reason("存证记录第 {entry} 条不成链", "entry {entry} of the contract's record breaks the chain")
HEAD_WRONG: Final = Reason(
    "存证记录与 record/head.txt 不一致", "the contract's record is not the one that record/head.txt is about"
)
HASHES_WRONG: Final = Reason("hashes.txt 与条目不符：{name}", "hashes.txt does not fit the items: {name}")
SIGNED_SOMETHING_ELSE: Final = Reason(
    "存证记录中没有与文件中 {field} 的签名相符的条目",
    "the record does not tell of the signature of {field} in the file: something else was shown, or another key signed",
)
FINAL_FILE_WRONG: Final = Reason(
    "合同文件不是记录中的最终文件", "the contract's file is not the one that its versions and its record name"
)
APPLICATION_WRONG: Final = Reason(
    "{folder} 中的证书申请或签名无效", "a signature, or an application for a certificate, in {folder} is wrong"
)
ANOTHER_CONTRACT: Final = Reason("这是合同 {found}，不是 {expected}", "this is contract {found}, not {expected}")
NO_ADDENDUM: Final = Reason("补充材料无法读取：{what}", "the addendum cannot be read: {what}")
ADDENDUM_OF_ANOTHER: Final = Reason("补充材料不属于这个证据包", "the addendum belongs to another evidence package")
ADDENDUM_BY_ANOTHER: Final = Reason(
    "制作者是 {found}，而证据包由 {expected} 制作", "it was made by {found}, and the package by {expected}"
)
ADDENDUM_ALONE: Final = Reason(
    "这是补充材料，请与它所属的证据包一起检查", "this is an addendum: check it together with its package"
)
NO_PAIR: Final = Reason(
    "一起检查时，须是一个证据包和它的最终文件或补充材料。",
    "Checked together, it has to be a package, and its finished file or its addendum.",
)
NO_FINAL_FILE: Final = Reason(
    "此证据包的合同没有完成，因而没有最终文件",
    "the contract of this package was not completed: there is no finished file",
)
OWNED_SHOWN: Final = Reason(
    "证据包载明：密钥由 {custody} 保管且已获证实，身份由 {provider} 核验，证书由外部机构签发。",
    "The package states that the key was proved to be kept by {custody}, and the identity checked by {provider}; the "
    "certificate is of an outside authority.",
)
RECORD_UNREADABLE: Final = Reason("证据记录无法读取", "the evidence record cannot be read (RFC 4998)")
RECORD_MISSES: Final = Reason("证据记录不包含 {name}", "the evidence record does not cover {name}")
RECORD_HASH: Final = Reason(
    "证据记录的散列树与时间戳不符", "the hash tree of the evidence record does not lead to its timestamp"
)
RECORD_TIME: Final = Reason("证据记录中的时间戳无效：{why}", "a timestamp in the evidence record is wrong: {why}")
RECORD_ORDER: Final = Reason(
    "证据记录中时间戳的顺序不对", "the timestamps of the evidence record are not in the order of time"
)
RECORD_GROUP: Final = Reason(
    "证据记录还包含其他文件", "the evidence record proves another group of files than this one"
)
RECORD_LATE: Final = Reason(
    "证据记录的续期晚于前一时间戳证书的有效期",
    "the evidence record was renewed only after the certificate of the timestamp before had run out",
)
