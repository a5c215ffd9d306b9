"""The texts of the agent in both languages. `{…}` are placeholders."""

from __future__ import annotations

import unicodedata
from typing import Final

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "ask-origin": (
        "Address of the school's signing site, as the school told you (https://…)",
        "学校签约网站的地址（以学校告知的为准，https://…）",
    ),
    "ask-module": ("Path of your token's PKCS#11 module", "您的 USB Key 的 PKCS#11 模块路径"),
    "ask-code": ("Pairing code from the page", "页面上的配对码"),
    "connected": ("Connected to {origin}: {school}, {campus}", "已连接 {origin}：{school} {campus}"),
    "contract": ("Contract: {title}", "合同：{title}"),
    "parties": ("Parties:", "签署方："),
    "you": (" (you)", "（您）"),
    "sha256": (
        "Fingerprint (SHA-256, computed here from the downloaded document): {value}",
        "指纹（SHA-256，由本机对下载的文件计算）：{value}",
    ),
    "look": ("The document is here for you to read: {path}", "文件已下载到本机，请阅读：{path}"),
    "consent": ("By signing you say: {text}", "签署即表示：{text}"),
    "certificates": ("Certificates on your token:", "USB Key 上的证书："),
    "certificate": (
        "  {number}) {name} · issued by {issuer} · until {until} · on {token}",
        "  {number}) {name} · 颁发者 {issuer} · 有效期至 {until} · 位于 {token}",
    ),
    "unusable": ("  –  {name} on {token}: {reason}", "  –  {token} 上的 {name}：{reason}"),
    "new-certificate": (
        "  {number}) a new certificate from the school, for a key on {token}",
        "  {number}) 由学校为 {token} 上的密钥签发新证书",
    ),
    "choose": ("Which one? (number)", "选择哪一个？（序号）"),
    "choose-again": (
        "Please type a number from 1 to {most}, or nothing to stop.",
        "请输入 1 至 {most} 之间的序号；不想继续的，直接按回车键。",
    ),
    "ask-yes": ("Sign this contract with it? Type yes", "用它签署这份合同吗？请输入 yes"),
    "ask-pin": ("PIN of {token} (it is not shown)", "{token} 的 PIN（输入时不显示）"),
    "pad": ("Please enter the PIN on the keypad of {token}.", "请在 {token} 的键盘上输入 PIN。"),
    "confirm": (
        "Now please confirm on the page that this is your certificate: {name} (fingerprint {short})",
        "请在页面上确认这是您的证书：{name}（指纹 {short}）",
    ),
    "checking": ("Confirmed. Checking what is to be signed …", "已确认，正在核对待签内容……"),
    "signed": ("Signed. You can close this window; the page continues.", "已签署。您可以关闭本窗口，页面会继续。"),
    "not-kept": (
        "(The certificate could not be written onto the token: {why}. It serves this time all the same.)",
        "（证书未能写入 USB Key：{why}。不影响本次签署。）",
    ),
    # what can go wrong
    "bad-origin": (
        "{origin} is not the address of a signing site: https:// and a name, nothing after it.",
        "{origin} 不是签约网站地址：应为 https:// 加域名，后面没有其他内容。",
    ),
    "other-origin": (
        "This computer is set up for {pinned}, not for {origin}. Nothing was sent. If the school moved, edit {file}.",
        "本机设定的网站是 {pinned}，不是 {origin}。没有发送任何内容。如学校网址确有变更，请修改 {file}。",
    ),
    "lying-hub": (
        "The server calls itself {said}, but you asked for {origin}. Nothing was signed. Please tell the school.",
        "服务器自称 {said}，而您要连接的是 {origin}。没有签署任何内容，请告知学校。",
    ),
    "bad-config": ("The file {file} cannot be read: {why}", "无法读取文件 {file}：{why}"),
    "no-module": (
        "The PKCS#11 module {module} cannot be loaded: {why}. It comes with the software of your token.",
        "无法加载 PKCS#11 模块 {module}：{why}。该模块随 USB Key 的驱动软件提供。",
    ),
    "no-token": ("No token was found. Please plug it in and start again.", "没有找到 USB Key。请插好后重新开始。"),
    "no-key": ("The token has no private key for this certificate.", "USB Key 上没有与该证书对应的私钥。"),
    "other-key": (
        "The token's key does not belong to this certificate. Nothing was signed.",
        "USB Key 上的密钥与该证书不匹配。没有签署任何内容。",
    ),
    "no-mechanism": (
        "The token cannot make the signature that is needed (ECDSA on P-256 or RSA, with SHA-256).",
        "USB Key 不支持所需的签名算法（P-256 ECDSA 或 RSA，配 SHA-256）。",
    ),
    "wrong-pin": (
        "That PIN is wrong. {left} Nothing was signed, and the PIN is not tried again; start again when you are sure.",
        "PIN 错误。{left}没有签署任何内容，程序不会自动重试；确认无误后请重新开始。",
    ),
    "left-unknown": (
        "The token does not say how many tries are left; mind that it locks after a few.",
        "USB Key 未告知剩余次数，请注意多次输错会被锁定。",
    ),
    "left-few": ("A few tries are left before it locks.", "再错几次将被锁定。"),
    "left-one": ("ONE try is left before it locks.", "只剩最后一次机会，再错将被锁定。"),
    "locked": (
        "The token is locked after too many wrong PINs. The person who gave it to you can unlock it.",
        "USB Key 因多次输错 PIN 已锁定，请联系发放方解锁。",
    ),
    "pin-expired": (
        "The token wants a new PIN first. Please change it with the token's own software.",
        "USB Key 要求先修改 PIN，请用其配套软件修改。",
    ),
    "no-pin-set": (
        "The token has no PIN yet. Please set one with the token's own software.",
        "USB Key 尚未设置 PIN，请用其配套软件设置。",
    ),
    "removed": (
        "The token was removed. Nothing was signed. Please plug it in and start again.",
        "USB Key 已被拔出。没有签署任何内容。请插好后重新开始。",
    ),
    "device": ("The token answered: {what}. Nothing was signed.", "USB Key 返回错误：{what}。没有签署任何内容。"),
    "read-only": (
        "The token is write-protected: no new key can be made on it.",
        "USB Key 处于写保护状态，无法生成新密钥。",
    ),
    "not-confirmed": (
        "The certificate was not confirmed on the page. Nothing was signed.",
        "证书未在页面上确认。没有签署任何内容。",
    ),
    "changed": (
        "The contract has changed meanwhile. Nothing was signed. Please look at it again on the page and start again.",
        "合同内容已有变化。没有签署任何内容。请在页面上重新查看后再开始。",
    ),
    "refused": (
        "REFUSED TO SIGN: what the server prepared is not what you were shown. The school was told. Reason: {reason}",
        "已拒绝签署：服务器准备的内容与您看到的不一致，已通知学校。技术原因（英文）：{reason}",
    ),
    "hub-says": ("The server says: {title} {detail}", "服务器答复：{title} {detail}"),
    "offline": (
        "The server cannot be reached ({why}). Nothing was signed.",
        "无法连接服务器（{why}）。没有签署任何内容。",
    ),
    "odd-answer": (
        "The server's answer does not fit ({why}). Nothing was signed.",
        "服务器的答复不符合协议（{why}）。没有签署任何内容。",
    ),
    "stopped": ("Nothing was signed.", "没有签署任何内容。"),
    # why a certificate is not offered
    "reason-expired": ("it has run out or is not valid yet", "已过期或尚未生效"),
    "reason-usage": ("it is not for signing", "不是签名证书"),
    "reason-key": ("its key is neither P-256 nor RSA from 2048 bits", "密钥不是 P-256，也不是 2048 位以上的 RSA"),
}


class AgentTrouble(Exception):
    """The reason why nothing is signed: the name of a text, and the values for its placeholders."""

    def __init__(self, name: str, /, **blanks: str) -> None:
        super().__init__(name)
        self.name = name
        self.blanks = blanks


def say(language: str, name: str, /, **blanks: object) -> str:
    """Return the text in this language. Control characters are removed from the values, so that they cannot steer the
    terminal."""
    text = TEXTS[name][1 if language == "zh" else 0]
    return text.format(**{blank: harmless(str(value)) for blank, value in blanks.items()})


def harmless(text: str) -> str:
    """Return the text as one line, without control characters and characters that change the writing direction."""
    spaced = " ".join(text.split())
    return "".join(character for character in spaced if unicodedata.category(character)[0] != "C")
