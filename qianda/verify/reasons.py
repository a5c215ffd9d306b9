"""All sentences with which the verifier can answer, in Chinese and English."""

from __future__ import annotations

from typing import Final

from qianda.verify.findings import Reason

# ---- the verdict --------------------------------------------------------------------------------------------------
VERDICT_FAILED: Final = Reason("请不要依据此文件：{reason}", "Do not rely on this file: {reason}")
VERDICT_UNTRUSTED: Final = Reason(
    "此文件由谁签署、何时签署，未能核对：这里没有受信任的认证机构（可用 --trust 指定）。"
    "已核对的是：其中的签名完好，签署之后文件未被改动。",
    "Who signed this file, and when, could not be checked: no authority is trusted here (name one with --trust). What "
    "was checked: its signatures are intact, and it has not been changed since it was signed.",
)
VERDICT_GENUINE: Final = Reason(
    "{contract}由{signers}签署，{seal}盖章，此后未被改动。",
    "{contract} was signed by {signers} and sealed by {seal}, and has not been changed since.",
)
VERDICT_SEALED: Final = Reason(
    "{contract}由{seal}盖章，此后未被改动。", "{contract} was sealed by {seal}, and has not been changed since."
)
VERDICT_SIGNED: Final = Reason(
    "{contract}由{signers}签署，此后未被改动。", "{contract} was signed by {signers}, and has not been changed since."
)
VERDICT_TRIAL: Final = Reason(
    "但证书由内置机构签发，仅供试用：它不能证明签署的是谁。",
    "But its certificates are of the built-in authority, for trial use: they do not prove who signed.",
)
VERDICT_DECLARED: Final = Reason(
    "密钥由谁保管、由谁使用，有的只是声明，见下方逐项说明。",
    "Who kept and used the keys is partly stated and not proved: see each element below.",
)
# Number and title are properties of the file. They are signed, but not drawn on its pages, which may say otherwise.
CONTRACT_NAMED: Final = Reason(
    "此文件（标明为合同 {number}《{title}》）", "This file (which calls itself contract {number} “{title}”)"
)
CONTRACT_UNNAMED: Final = Reason("此文件", "This file")

# ---- what to trust ------------------------------------------------------------------------------------------------
TRUST_MISSING: Final = Reason(
    "{path}：没有这个文件或文件夹。请指定 PEM 文件，或含有 *.pem 文件的文件夹。",
    "{path}: there is no such file or folder. Name a PEM file, or a folder with *.pem files.",
)
TRUST_FOLDER_EMPTY: Final = Reason(
    "{path}：这个文件夹中没有 *.pem 文件。请指定存有证书的文件夹。",
    "{path}: there are no *.pem files in this folder. Name one with certificates in it.",
)
NO_CERTIFICATE: Final = Reason("{path}：其中没有证书。", "{path}: no certificate in it")
# `fault`: what the system or the reader of certificates says, in English.
NO_CERTIFICATE_READ: Final = Reason("{path}：无法读取其中的证书。", "{path}: {fault}")
NO_ORIGINS_READ: Final = Reason("{path}：无法读取其中的网址。", "{path}: {fault}")
MANIFEST_NO_JSON: Final = Reason("{path}：不是可以读取的 JSON 文件。", "{path}: {fault}")
MANIFEST_EMPTY: Final = Reason(
    "{path}：其中没有可供比对的编号、摘要或签名域。",
    "{path}: it names no number, no hash and no fields to compare with",
)
MANIFEST_FIELDS: Final = Reason("{path}：其中的 fields 不是名称列表。", "{path}: its fields are not a list of names")

# ---- the file -----------------------------------------------------------------------------------------------------
UNREADABLE: Final = Reason("无法按 PDF 读取这个文件。", "The file cannot be read as a PDF.")
TOO_LARGE: Final = Reason("文件超过 {mib} MiB，不予检查。", "The file is larger than {mib} MiB and is not looked at.")
TOO_COMPLEX: Final = Reason(
    "文件的页面、对象、版本或签名域过多或过大，不予检查。",
    "The file has more pages, objects, revisions or fields, or larger ones, than are looked at.",
)
TOO_SLOW: Final = Reason("检查未能在 {seconds} 秒内结束。", "The check did not end within {seconds} seconds.")
CRASHED: Final = Reason(
    "检查过程意外中止，文件可能有意损坏。", "The check broke off: the file may be malformed on purpose."
)
ENCRYPTED: Final = Reason("这不是签达的文件：它已加密。", "This is not a file of Qianda: it is encrypted.")
FOREIGN: Final = Reason(
    "这不是签达的文件：它的写法与签达不同，这里无法判断。",
    "This is not a file of Qianda: it is written in another way, and cannot be judged here.",
)
FOREIGN_TABLE_STREAMS: Final = Reason(
    "这不是签达的文件：它使用交叉引用流。", "This is not a file of Qianda: it has cross-reference streams."
)
FOREIGN_OBJECT_STREAMS: Final = Reason(
    "这不是签达的文件：它使用对象流。", "This is not a file of Qianda: it has object streams."
)
FOREIGN_HYBRID: Final = Reason(
    "这不是签达的文件：它有两种交叉引用表。", "This is not a file of Qianda: it has two kinds of tables."
)
FOREIGN_LINEARIZED: Final = Reason(
    "这不是签达的文件：它经过线性化。", "This is not a file of Qianda: it is linearized."
)
# `what`: why, in English, for specialists.
NOT_OUR_FORM: Final = Reason(
    "文件已损坏或被改动：它与签达写出的不同。",
    "The file was damaged or altered: it is not as Qianda writes it ({what}).",
)
NOT_OUR_FORM_FROM: Final = Reason(
    "文件已损坏或被改动：从第 {at} 字节起，它与签达写出的不同。",
    "The file was damaged or altered: from byte {at} on, it is not as Qianda writes it ({what}).",
)

# ---- which signatures there are -----------------------------------------------------------------------------------
NO_SIGNATURES: Final = Reason("文件里没有任何签名。", "There is no signature in the file.")
UNSIGNED_FIELD: Final = Reason("签名域“{name}”尚未签署。", 'The signature field "{name}" is not signed.')
NO_SEAL: Final = Reason(
    "没有机构印章：合同尚未完成，或文件被截短。",
    "There is no seal of the organisation: the contract is not finished, or the file was cut back.",
)
SEAL_NOT_LAST: Final = Reason("最后一个签名不是机构印章。", "The last signature is not the organisation's seal.")
NO_SIGNER: Final = Reason("除印章外没有任何人的签名。", "There is no person's signature besides the seal.")
NO_ARCHIVE_TIME: Final = Reason(
    "没有覆盖全文的文档时间戳：合同尚未完成，或文件被截短。",
    "No document timestamp closes the file: the contract is not finished, or the file was cut back.",
)
EARLY_ARCHIVE_TIME: Final = Reason(
    "文档时间戳早于机构印章。", "A document timestamp comes before the organisation's seal."
)
UNEXPECTED_FIELDS: Final = Reason(
    "应有签名 {expected}，实有 {found}。", "Signatures expected: {expected}; found: {found}."
)
ANOTHER_NUMBER: Final = Reason(
    "这不是要核对的合同：应为 {expected}，实为 {found}。",
    "This is not the contract that was expected: {expected} was expected, the file is {found}.",
)
ANOTHER_DOCUMENT: Final = Reason(
    "签发的文件与清单中的摘要不符。", "The document that was issued is not the one in the manifest."
)
ANOTHER_FILE: Final = Reason("文件与清单中的摘要不符。", "The file is not the one in the manifest.")
NOT_CERTIFIED: Final = Reason(
    "第一个签名不是限定后续修改的认证签名。", "The first signature is not a certification that limits later changes."
)
HIDDEN_SIGNATURE: Final = Reason(
    "文件里有一个签名不属于任何签名域或未列入签名清单，可能已被移除。",
    "A signature in the file belongs to no field or is on no list: it may have been removed.",
)
SAME_CERTIFICATE: Final = Reason(
    "印章与某位签署人使用了同一张证书。", "The seal was made with the certificate of one of the signers."
)
SEAL_UNKNOWN: Final = Reason(
    "此证书不是已知的机构印章证书：既未列入信任（可用 --trust 指定），其认证机构也未注明它是印章。",
    "This is not known as the certificate of the organisation's seal: it is not among those trusted (name it with "
    "--trust), and its authority does not say that it is a seal.",
)
SEAL_FOR_PERSON: Final = Reason(
    "此签名域属于个人，所用却是机构印章的证书。",
    "A person's field was signed with the certificate of an organisation's seal.",
)
OTHER_FIELDS: Final = Reason("文件里有签名域以外的表单域。", "There are form fields other than signature fields.")
BAD_FIELDS: Final = Reason(
    "签名域清单不合规：重名、嵌套或不完整。", "The list of fields is not as it must be: doubled, nested or incomplete."
)

# ---- text unaltered -----------------------------------------------------------------------------------------------
RANGE_WRONG: Final = Reason("签名覆盖的字节范围不正确。", "The byte range of the signature is not what it must be.")
NOT_TO_THE_END: Final = Reason("文档时间戳之后文件又有改动。", "The file was changed after its document timestamp.")
REVISION_CHANGED: Final = Reason(
    "首个签名之后加入了签名以外的内容（第 {revision} 版）。",
    "Something other than a signature was added (revision {revision}: {what}).",
)
SIGNED_FROM_THE_START: Final = Reason(
    "有一个签名不是在文件签发之后加入的，而是与文件一同写入的。",
    "A signature was written together with the document, not added after it was issued.",
)
ACTIVE_CONTENT: Final = Reason(
    "文件含有可改变显示内容的活动部分（{what}）。",
    "The file holds active parts that can change what is shown ({what}).",
)
DRAWN_DIFFERENTLY: Final = Reason(
    "文件含有各种程序显示不一的部分（{what}）。", "The file holds parts that programs draw in different ways ({what})."
)
CHANGED_AFTER: Final = Reason("此签名之后文件有不被允许的改动。", "The document was changed after this signature.")

# ---- signature unaltered ------------------------------------------------------------------------------------------
CMS_UNREADABLE: Final = Reason("签名数据无法读取。", "The signature's data cannot be read.")
DIGEST_WRONG: Final = Reason(
    "文件内容与签名中的摘要不符。", "The bytes of the file do not have the digest that was signed."
)
VALUE_WRONG: Final = Reason("签名值与证书不符。", "The signature does not fit the certificate.")
CERTIFICATE_NOT_NAMED: Final = Reason(
    "签名没有绑定签署人的证书。", "The signature does not name the signer's certificate."
)
ALGORITHM_UNKNOWN: Final = Reason("签名算法不被接受。", "The algorithm of the signature is not accepted.")
KEY_NOT_ACCEPTED: Final = Reason(
    "证书的密钥不被接受：只接受 P-256、P-384 和 2048 位以上的 RSA。",
    "The key of a certificate is not accepted: only P-256, P-384 and RSA from 2048 bits on are.",
)
ADES_SIGNATURE: Final = Reason("签名未通过完整校验（{what}）。", "The signature did not pass the full check ({what}).")

# ---- exclusively owned, exclusively used --------------------------------------------------------------------------
CHAIN_WRONG: Final = Reason(
    "证书不能追溯到受信任的认证机构，或在签署时无效、已被吊销（{what}）。",
    "The certificate does not lead to a trusted authority, or was not valid, or is revoked ({what}).",
)
NOT_FOR_SIGNING: Final = Reason(
    "证书不是签名证书（用途不是签名，或属于认证机构）。",
    "The certificate is not one for signing: it is for another purpose, or that of an authority.",
)
AUTHORITY_NOT_FOR_SIGNING: Final = Reason(
    "颁发证书的机构不签发签名证书（其证书注明了其他用途）。",
    "An authority above the certificate issues none for signing: its own certificate states other purposes.",
)
CERTIFICATE_EXPIRED: Final = Reason(
    "签署时间 {time} 不在证书有效期 {start} 至 {end} 之内。",
    "Signed at {time}, outside the certificate's life from {start} to {end}.",
)
NO_TRUST: Final = Reason(
    "没有可信任的认证机构：请用 --trust 指定。", "No authority is trusted here: name one with --trust."
)
OWNED_TRIAL: Final = Reason(
    "证书由内置机构签发，仅供试用和内部使用。",
    "The certificate is of the built-in authority: for trial and internal use.",
)
OWNED_DECLARED: Final = Reason(
    "证书由外部机构签发；单凭 PDF 不能证明密钥由谁保管。",
    "The certificate is of an outside authority; a PDF alone does not prove who keeps the key.",
)
USED_DECLARED: Final = Reason(
    "文件里没有对这次签署的单独确认（口令、通行密钥）的证据。",
    "The file holds no evidence of a confirmation (PIN, passkey) of this very act.",
)
USED_SHOWN: Final = Reason(
    "签署人证书中载明的通行密钥在 {where} 确认了正是这一次签署，并报告其设备事先验证了使用者（指纹、面容或锁屏密码）。"
    "签署人的密钥签署时已将它包含在内。该密钥登记在谁名下，见签署平台的存证记录（公钥 SHA-256：{key}…）。",
    "The passkey that the signer's certificate names confirmed this very act at {where}, and reported that its device "
    "had verified its user (fingerprint, face or screen lock). The signer's key signed over its name. For whom it was "
    "registered stands in the hub's record (SHA-256 of its public key: {key}…).",
)
USED_UNBOUND: Final = Reason(
    "文件里附有一个通行密钥的确认（声称在 {where} 作出），但签署人的证书没有载明这个密钥：签署人的密钥并未将它包含在内"
    "，任何经手文件的人都可能事后加入（公钥 SHA-256：{key}…）。",
    "The file holds a confirmation by a passkey, said to be made at {where}, but the signer's certificate does not "
    "name that passkey: the signer's key did not sign over it, and whoever handled the file could have added it "
    "(SHA-256 of its public key: {key}…).",
)
USED_UNTRUSTED: Final = Reason(
    "签署人的证书载明了一个通行密钥，它也确认了这一次签署（{where}），但这张证书不被信任，其所载内容不能作数"
    "（公钥 SHA-256：{key}…）。",
    "The signer's certificate names a passkey, which confirmed this act at {where}, but the certificate is not "
    "trusted, and so neither is what it says (SHA-256 of the passkey's public key: {key}…).",
)
CONFIRMED_ELSEWHERE: Final = Reason(
    "通行密钥的确认在 {where} 作出，这不是本机构签署平台的地址。",
    "The passkey confirmed this act at {where}, which is not an address of the organisation's hub.",
)
CONFIRMATION_WRONG: Final = Reason(
    "文件里附有通行密钥的确认，但它不成立。",
    "The file holds a confirmation by a passkey that is wrong ({what}).",
)
SIGNATURE_SHOWN: Final = Reason("摘要、签名值与证书一致。", "Digest, signature value and certificate fit together.")
TEXT_SHOWN: Final = Reason(
    "首个签名之后只加入了签名、校验资料和时间戳。",
    "Since before the first signature nothing but signatures, their evidence and timestamps was added.",
)

# ---- time ---------------------------------------------------------------------------------------------------------
TIME_MISSING: Final = Reason("签名没有时间戳。", "The signature has no timestamp.")
TIME_WRONG: Final = Reason("时间戳与签名不符或已损坏。", "The timestamp does not fit the signature or is damaged.")
TIME_UNTRUSTED: Final = Reason(
    "时间戳不是由受信任的时间戳机构签发。", "The timestamp is not of a trusted timestamp authority."
)
TIME_TRIAL: Final = Reason(
    "{time}，由内置时间戳服务给出，仅供试用和内部使用（其证书为固定信任，不查吊销）。",
    "{time}, by the built-in timestamp service: for trial and internal use (its certificate is pinned, not checked "
    "for revocation).",
)
TIME_CONTRADICTED: Final = Reason(
    "时间戳写的是 {time}，但它与文件中另一个时间戳矛盾：后加的不可能更早。",
    "{time}, as its timestamp states. But another timestamp in the file contradicts it: what was added later cannot be "
    "older.",
)
TIME_SHOWN: Final = Reason(
    "{time}，由外部时间戳机构给出（其证书为固定信任，不查吊销）。",
    "{time}, by an outside timestamp authority (its certificate is pinned, not checked for revocation).",
)
