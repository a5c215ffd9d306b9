"""What alerts say, in Chinese and English: by kind, and by `which` where one kind says several things. Pure."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("zh", "en")
Facts = Mapping[str, str | int]
SENTENCES: Mapping[str, tuple[str, str]] = {
    "provider-broken": ("{provider}：{reason}", "{provider}: {reason}"),
    "provider-rests": (
        "{provider} 要求暂停发送，{minutes} 分钟后再试",
        "{provider} asks to be left alone; it is tried again in {minutes} minutes",
    ),
    "budget-spent/prefix": (
        "同一号段的发送额度已用完（{campus}）",
        "The message budget per number prefix is used up ({campus})",
    ),
    "budget-spent/campus": ("校区的发送额度已用完（{campus}）", "The message budget per campus is used up ({campus})"),
    "budget-spent/code-prefix": (
        "同一号段的验证码额度已用完（{campus}）",
        "The budget of one-time codes per number prefix is used up ({campus})",
    ),
    "budget-spent/answer-prefix": (
        "同一号段的回复额度已用完（{campus}）",
        "The budget of answers per number prefix is used up ({campus})",
    ),
    "budget-spent/guest-prefix": (
        "海报访客同一号段的验证码额度已用完（{campus}）",
        "The budget of one-time codes for people who come by a poster is used up per number prefix ({campus})",
    ),
    "budget-spent/poster": (
        "单张海报的发送额度已用完（{campus}）",
        "The message budget per poster is used up ({campus})",
    ),
    "authority-away/instead": (
        "证书颁发机构 {service} 无法签发证书，现由 {instead} 代为签发",
        "The authority {service} issues no certificates; {instead} issues instead",
    ),
    "authority-away/nobody": (
        "证书颁发机构 {service} 无法签发证书，且没有其他机构可以代替",
        "The authority {service} issues no certificates; nobody else may issue instead",
    ),
    "timestamps-away/instead": (
        "时间戳服务 {service} 未给出可用的时间戳，已改用 {instead}",
        "The timestamp service {service} gave no timestamp that can be used; {instead} did",
    ),
    "timestamps-away/nobody": (
        "时间戳服务 {service} 未给出可用的时间戳",
        "The timestamp service {service} gave no timestamp that can be used",
    ),
    "clock-differs": (
        "时间戳服务 {service} 的时钟与本机相差 {seconds} 秒，请检查时间同步",
        "The clock of the timestamp service {service} differs from ours by {seconds} s: check time synchronisation",
    ),
    "identity-away": (
        "实名核验服务 {service} 没有应答，签署人被提示稍后再试",
        "The identity provider {service} does not answer; signers are asked to try again later",
    ),
    "stop-flood": (
        "一分钟内经 {providers} 收到 {count} 条退订，而该通道的回调无人签名：未退订任何人",
        "{count} STOP messages within a minute by {providers}, whose calls nobody signs: nobody was opted out.",
    ),
    "shared-phone/asked": (
        "一位签署人拟登记的手机号已被多人使用，且并非一家人",
        "A signer is to have a phone number that several others have, who are not all of one family.",
    ),
    "shared-phone/moved": (
        "一位签署人已登记的手机号正被多人使用，且并非一家人",
        "A signer has been given a phone number that several others have, who are not all of one family.",
    ),
    "step-failed": (
        "有消息因程序出错而无法发出，系统仍在重试，详见待办（{campus}）",
        "A message cannot be sent because of an error; it is tried again. See the tasks ({campus})",
    ),
    "digest": ("{name}：{open} 项待办，其中 {overdue} 项已逾期", "{name}: {open} to do, {overdue} overdue"),
}


def sentence(kind: str, facts: Facts, language: str) -> str:
    """A kind that has no sentence, or misses a value of it, is said by its values alone."""
    words = SENTENCES.get(f"{kind}/{facts.get('which', '')}") or SENTENCES.get(kind)
    try:
        return words[LANGUAGES.index(language)].format_map(facts) if words else _bare(facts)
    except KeyError:
        return _bare(facts)


def _bare(facts: Facts) -> str:
    return ", ".join(str(value) for value in facts.values())
