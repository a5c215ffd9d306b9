"""Check, when the hub starts, that each provider accepts our messages and does not cut them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product

from channels import FixedText, Rules
from hub.model.messaging.message import (
    BY_EMAIL_ALONE,
    BY_SMS_ALONE,
    CONSTANT,
    COUNT_NEUTRAL,
    NOT_BY_VOICE,
    Kind,
    MessageTemplate,
    MessageTemplates,
    Purpose,
    Variable,
    render,
)
from hub.model.messaging.provider import ProviderSettings
from hub.model.messaging.sms_length import measure_text, utf16_units

_FILLED = {Kind.TEXT: "x", Kind.DIGITS: "0", Kind.MOMENT: "0", Kind.PATH: "X", Kind.URL: "x"}
# A school without an English name has its Chinese name in English texts too, which makes them UCS-2.
_WIDE = "字"


def list_message_faults(
    templates: MessageTemplates,
    provider: ProviderSettings,
    rules: Rules,
    texts: Mapping[str, FixedText] | None,
    addresses: Mapping[str, str],
) -> Iterator[str]:
    """Yield each reason why this provider cannot send messages of some purpose in one of its languages.

    `texts`: the fixed texts registered at the provider, if it uses such texts. `addresses`: the real `link` and `entry`
    of this hub.
    """
    if rules.fixed_texts and texts is None:
        yield f"channels.{provider.name}: the fixed texts of the provider are not configured"
        return
    purposes = [each for each in Purpose if _has_to_send(provider, rules, each)]
    for purpose, language, shape in product(purposes, provider.languages, list_best_shapes(provider, rules)):
        found = templates.find(purpose, provider.carries, language, shape)
        if found is None:
            key = ".".join(part for part in (provider.carries, shape, language) if part)
            yield f"{purpose}.toml, {key}: this text is missing, but channels.{provider.name} has to send it"
            continue
        for reason in _find_faults(found, rules, texts, addresses):
            yield f"{found.where}: {reason} (channels.{provider.name})"


def _has_to_send(provider: ProviderSettings, rules: Rules, purpose: Purpose) -> bool:
    """Return whether this provider has to be able to send messages of this purpose."""
    if purpose in BY_EMAIL_ALONE:
        return provider.carries == "email"
    if purpose in BY_SMS_ALONE:  # where texts need approval, the school decides whether to reply to inbound SMS
        return provider.carries == "sms" and not rules.fixed_texts
    return provider.carries != "voice" or purpose not in NOT_BY_VOICE


def list_best_shapes(provider: ProviderSettings, rules: Rules) -> list[str]:
    """Return the preferred SMS shape for each range of numbers that the provider serves; `[""]` for other channels."""
    if provider.carries != "sms":
        return [""]
    served = provider.serves or ("",)
    numbers = {*served, *(prefix for prefix in rules.shapes_to if prefix.startswith(served))}
    bests = [rules.shapes_for(number)[:1] for number in sorted(numbers)]
    return list(dict.fromkeys(shape.value for best in bests for shape in best))


def _find_faults(
    template: MessageTemplate, rules: Rules, texts: Mapping[str, FixedText] | None, addresses: Mapping[str, str]
) -> Iterator[str]:
    used = [template.variables[name] for name in sorted(template.placeholders)]
    for variable in used:
        if (address := addresses.get(variable.name)) and utf16_units(address) > variable.max_length_in(
            template.language
        ):
            yield f"{address} is too long for {{{variable.name}}}"
    if rules.fixed_texts and texts is not None:
        yield from _check_fixed_text(template, rules, texts, used)
    else:
        yield from _check_lengths(template, used, rules.variable_length)
    if template.channel == "sms" and rules.most_segments is not None:
        longest = count_max_segments(template, rules.prefix, addresses)
        if longest > rules.most_segments:
            yield f"with the longest values it takes {longest} segments; the provider accepts {rules.most_segments}"


def _check_fixed_text(
    template: MessageTemplate, rules: Rules, texts: Mapping[str, FixedText], used: list[Variable]
) -> Iterator[str]:
    """Check that the fixed text at the provider has the variables of this template. It may spell out the constant
    ones."""
    text = texts.get(template.id)
    if text is None:
        yield f"no template {template.id} is configured, and the provider sends registered texts only"
        return
    if missing := template.placeholders - CONSTANT - COUNT_NEUTRAL - set(text.variables):
        yield f"the provider's template {template.id} lacks {_format_names(missing)}, which this text uses"
    if unknown := set(text.variables) - template.placeholders:
        yield f"the provider's template {template.id} takes {_format_names(unknown)}, which this text does not use"
    taken = [each for each in used if each.name in text.variables]
    if addressed := {each.name for each in taken if each.kind is Kind.URL}:
        yield f"the provider allows no URL in a variable: {_format_names(addressed)}"
    yield from _check_lengths(template, [each for each in taken if each.kind is not Kind.URL], rules.variable_length)


def _check_lengths(template: MessageTemplate, variables: Iterable[Variable], longest: int | None) -> Iterator[str]:
    for each in variables:
        if longest is not None and (length := each.max_length_in(template.language)) > longest:
            yield f"{{{each.name}}} may have {length} characters; the provider accepts {longest}"


def count_max_segments(template: MessageTemplate, prefix: str = "", addresses: Mapping[str, str] | None = None) -> int:
    """Return the number of segments of the text with the longest value of each variable and the real addresses."""
    widest = [
        {name: _make_longest_value(each, template.language, letter) for name, each in template.variables.items()}
        for letter in (_FILLED[Kind.TEXT], _WIDE)
    ]
    return max(
        measure_text(prefix + render(template.text, values | dict(addresses or {}))).segments for values in widest
    )


def _make_longest_value(variable: Variable, language: str, letter: str) -> str:
    return (letter if variable.kind is Kind.TEXT else _FILLED[variable.kind]) * variable.max_length_in(language)


def _format_names(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))
