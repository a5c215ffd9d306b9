"""Sentences of alerts in Chinese and English, by kind and, where a kind has several, by the fact `which`. Pure."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("zh", "en")
Facts = Mapping[str, str | int]
SENTENCES: Mapping[str, tuple[str, str]] = {
    "provider-broken": (
        "服务商 {provider} 已停用：{reason}。请检查其账户；系统会不时试用，恢复后自动启用",
        "The provider {provider} is out of use: {reason}. Check its account; it is tried again by itself",
    ),
    "provider-rests": (
        "{provider} 要求暂停发送，{minutes} 分钟后再试",
        "{provider} asked for a pause; sending resumes in {minutes} minutes",
    ),
    "budget-spent/prefix": (
        "同一号段的发送额度已用完（{campus}）",
        "The message budget per number prefix is used up ({campus})",
    ),
    "budget-spent/campus": ("校区的发送额度已用完（{campus}）", "The message budget per campus is used up ({campus})"),
    "budget-spent/code-prefix": (
        "同一号段的验证码额度已用完（{campus}）",
        "The budget for one-time codes per number prefix is used up ({campus})",
    ),
    "budget-spent/answer-prefix": (
        "同一号段的回复额度已用完（{campus}）",
        "The budget for replies per number prefix is used up ({campus})",
    ),
    "budget-spent/guest-prefix": (
        "海报访客同一号段的验证码额度已用完（{campus}）",
        "The budget for one-time codes to poster visitors per number prefix is used up ({campus})",
    ),
    "budget-spent/poster": (
        "单张海报的发送额度已用完（{campus}）",
        "The message budget per poster is used up ({campus})",
    ),
    "authority-away/instead": (
        "认证机构 {service} 无法签发证书，现由 {instead} 代为签发",
        "The authority {service} cannot issue certificates; {instead} issues them instead",
    ),
    "authority-away/nobody": (
        "认证机构 {service} 无法签发证书，且没有其他机构可以代替",
        "The authority {service} cannot issue certificates, and no other authority can replace it",
    ),
    "timestamps-away/instead": (
        "时间戳服务 {service} 未给出可用的时间戳，已改用 {instead}",
        "The timestamp service {service} returned no usable timestamp; {instead} is used instead",
    ),
    "timestamps-away/nobody": (
        "时间戳服务 {service} 未给出可用的时间戳",
        "The timestamp service {service} returned no usable timestamp",
    ),
    "token-away/instead": (
        "密钥设备 {service} 没有应答，已改用 {instead}",
        "The token {service} does not answer; {instead} signs instead",
    ),
    "token-away/nobody": (
        "密钥设备 {service} 没有应答，且没有其他设备可以代替：用印暂停",
        "The token {service} does not answer, and no other one can replace it: nothing is sealed meanwhile",
    ),
    "clock-differs": (
        "时间戳服务 {service} 的时钟与本机相差 {seconds} 秒，请检查时间同步",
        "The clock of the timestamp service {service} differs from ours by {seconds} s; check time synchronisation",
    ),
    "disk-low": (
        "{service} 所在的磁盘只剩 {free} GB，写满后将无法签署，请尽快清理或扩容",
        "Only {free} GB are left on the disk of {service}; once it is full, nothing can be signed: make space",
    ),
    "identity-away": (
        "实名核验服务 {service} 没有应答，签署人被提示稍后再试",
        "The identity provider {service} does not respond; signers are asked to try again later",
    ),
    "webhook-away": (
        "{service} 一直没有接收用印任务的结束通知。每条通知约 20 小时内会重发，此后需由对方自行查询任务结果",
        "{service} takes no notices of ended seal jobs. They are sent again for 20 hours; then it has to ask for them",
    ),
    "stop-flood": (
        "一分钟内经 {providers} 收到 {count} 条退订，该服务商的回调未经签名，因此未退订任何人",
        "{count} STOP messages within a minute via {providers}, whose callbacks are unsigned: nobody was opted out.",
    ),
    "shared-phone/asked": (
        "一位签署人拟登记的手机号已被多人使用，且并非一家人",
        "A phone number requested for a signer is already used by several people who are not one family.",
    ),
    "shared-phone/moved": (
        "一位签署人已登记的手机号正被多人使用，且并非一家人",
        "A signer's new phone number is also used by several people who are not one family.",
    ),
    "step-failed": (
        "有消息因程序出错而无法发出，系统仍在重试，详见待办（{campus}）",
        "A message cannot be sent because of an error and is being retried. See the tasks ({campus})",
    ),
    "digest": ("{name}：{open} 项待办，其中 {overdue} 项已逾期", "{name}: {open} to do, {overdue} overdue"),
}


def write_sentence(kind: str, facts: Facts, language: str) -> str:
    """Return the sentence of an alert; just the values if the kind has no sentence, or a value is missing."""
    words = SENTENCES.get(f"{kind}/{facts.get('which', '')}") or SENTENCES.get(kind)
    try:
        return words[LANGUAGES.index(language)].format_map(facts) if words else _bare(facts)
    except KeyError:
        return _bare(facts)


def _bare(facts: Facts) -> str:
    return ", ".join(str(value) for value in facts.values())
