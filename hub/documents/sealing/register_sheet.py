"""Titles and words of the register of seals, as a file has them: in Chinese and English."""

from __future__ import annotations

from typing import Final

from hub.model.sealing.seal_fault import SealFault
from hub.model.sealing.seal_use import UseOutcome

TITLES: Final = (
    "印章 Seal",
    "时间 Time",
    "结果 Outcome",
    "原因 Reason",
    "文件 SHA-256",
    "对象 About",
    "申请方 Asked by",
    "校区 Campus",
    "模板 Template",
    "授权 Grant",
    "次数 Count",
    "尝试 Tries",
    "结束 Ended",
    "成品 SHA-256",
    "结果代码 Outcome code",
    "原因代码 Reason code",
)
# Chinese and English words of the codes, as the pages of the console have them.
OUTCOMES: Final = {
    UseOutcome.ATTEMPT: "盖章中 being sealed",
    UseOutcome.SEALED: "已盖章 sealed",
    UseOutcome.FAILED: "未盖章 not sealed",
    UseOutcome.REFUSED: "已拒绝 refused",
}
REASONS: Final = {
    "not-granted": "未授权 not granted",
    "other-campus": "授权不适用于该校区 granted for another campus",
    "other-template": "授权不适用于该模板 granted for other templates",
    "grant-expired": "授权已结束 the grant has ended",
    "exhausted": "次数已用完 no uses are left",
    "not-made": "尚未启用 not in use yet",
    "suspended": "已停用 suspended",
    "revoked": "已吊销 revoked for good",
    "job-stopped": "用印任务超过一天未完成，已停止 its job was stopped after a day",
    "certificate-expired": "证书已过期 its certificate has expired",
} | {fault.value: f"{fault.chinese} {fault.english}" for fault in SealFault}
