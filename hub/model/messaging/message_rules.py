"""Whether a provider would carry our messages as they stand: what it would refuse or cut is refused when the hub
starts, with the reason. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from channels import FixedText, Rules
from hub.model.messaging.message import (
    ANSWERS,
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
from hub.model.messaging.provider import Provider
from hub.model.messaging.sms_length import size, utf16_units

_FILLED = {Kind.TEXT: "x", Kind.DIGITS: "0", Kind.MOMENT: "0", Kind.PATH: "X", Kind.URL: "x"}
# A name can be Chinese in an English text too, where a school has no English one: the text is UCS-2 then.
_WIDE = "字"


def faults(
    templates: MessageTemplates,
    provider: Provider,
    rules: Rules,
    texts: Mapping[str, FixedText] | None,
    addresses: Mapping[str, str],
) -> Iterator[str]:
    """Why this provider cannot carry each purpose in each of its languages; nothing where it can.

    `texts` are those that lie at it, where any do; `addresses` the real `link` and `entry` of this hub.
    """
    if rules.fixed_texts and texts is None:
        yield f"channels.{provider.name}: it does not say which texts lie at the provider"
        return
    for purpose in Purpose:
        if provider.carries == "voice" and purpose in NOT_BY_VOICE:
            continue
        if purpose in ANSWERS and (provider.carries != "sms" or rules.fixed_texts):
            continue  # where texts have to be approved, answering what people write is for the school to decide
        for language in provider.languages:
            for shape in best_shapes(provider, rules):
                found = templates.find(purpose, provider.carries, language, shape)
                if found is None:
                    key = ".".join(part for part in (provider.carries, shape, language) if part)
                    yield f"{purpose}.toml, {key}: this text is missing, and channels.{provider.name} has to send it"
                    continue
                for reason in _reasons(found, rules, texts, addresses):
                    yield f"{found.where}: {reason} (channels.{provider.name})"


def best_shapes(provider: Provider, rules: Rules) -> list[str]:
    """The SMS shape that a provider gets for each kind of number that it is used for: the best of each. What carries
    no SMS has one, the empty one."""
    if provider.carries != "sms":
        return [""]
    served = provider.serves or ("",)
    numbers = {*served, *(prefix for prefix in rules.shapes_to if prefix.startswith(served))}
    bests = [rules.shapes_for(number)[:1] for number in sorted(numbers)]
    return list(dict.fromkeys(shape.value for best in bests for shape in best))


def _reasons(
    template: MessageTemplate, rules: Rules, texts: Mapping[str, FixedText] | None, addresses: Mapping[str, str]
) -> Iterator[str]:
    used = [template.variables[name] for name in sorted(template.placeholders)]
    for variable in used:
        if (address := addresses.get(variable.name)) and utf16_units(address) > variable.longest_in(template.language):
            yield f"{address} is longer than {{{variable.name}}} may be"
    if rules.fixed_texts and texts is not None:
        yield from _fixed(template, rules, texts, used)
    else:
        yield from _too_long(template, used, rules.variable_length)
    if template.channel == "sms" and rules.most_segments is not None:
        longest = most_segments(template, rules.prefix, addresses)
        if longest > rules.most_segments:
            yield f"with its longest values it takes {longest} segments, and at most {rules.most_segments} are carried"


def _fixed(
    template: MessageTemplate, rules: Rules, texts: Mapping[str, FixedText], used: list[Variable]
) -> Iterator[str]:
    """The provider's text has to read as ours does: it takes what varies, and has the rest written out."""
    text = texts.get(template.id)
    if text is None:
        yield f"no template {template.id} is configured, and only texts that lie at the provider go out"
        return
    if missing := template.placeholders - CONSTANT - COUNT_NEUTRAL - set(text.variables):
        yield f"the provider's template {template.id} does not take {_listed(missing)}, which this text says"
    if unknown := set(text.variables) - template.placeholders:
        yield f"the provider's template {template.id} takes {_listed(unknown)}, which this text does not say"
    taken = [each for each in used if each.name in text.variables]
    if addressed := {each.name for each in taken if each.kind is Kind.URL}:
        yield f"the provider allows no address in a variable: {_listed(addressed)}"
    yield from _too_long(template, [each for each in taken if each.kind is not Kind.URL], rules.variable_length)


def _too_long(template: MessageTemplate, variables: Iterable[Variable], longest: int | None) -> Iterator[str]:
    for each in variables:
        if longest is not None and (length := each.longest_in(template.language)) > longest:
            yield f"{{{each.name}}} may have {length} characters, and the provider takes {longest}"


def most_segments(template: MessageTemplate, prefix: str = "", addresses: Mapping[str, str] | None = None) -> int:
    """How many segments it takes with the longest value of each variable, and the real addresses."""
    widest = [
        {name: _longest(each, template.language, letter) for name, each in template.variables.items()}
        for letter in (_FILLED[Kind.TEXT], _WIDE)
    ]
    return max(size(prefix + render(template.text, values | dict(addresses or {}))).segments for values in widest)


def _longest(variable: Variable, language: str, letter: str) -> str:
    return (letter if variable.kind is Kind.TEXT else _FILLED[variable.kind]) * variable.longest_in(language)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))
