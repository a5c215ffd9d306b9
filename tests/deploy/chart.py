"""Render the chart in `deploy/helm` without Helm: the few constructs of Go templates that it uses, and no others.

`test_helm.py` compares the result with what Helm makes, where that is installed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # has no types

CHART = Path(__file__).parents[2] / "deploy" / "helm"
# An action with the white space that its dashes take away.
_ACTION = re.compile(r"(\s*\{\{-|\{\{)\s*(.*?)\s*(-\}\}\s*|\}\})", re.DOTALL)
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')


class ChartFault(Exception):
    """Something that Helm would refuse, or that nobody has taught this reader."""


OF_ONE_VALUE: Mapping[str, Callable[[Any], str]] = {
    "quote": lambda value: json.dumps(str(value), ensure_ascii=False),
    "sha256sum": lambda value: hashlib.sha256(str(value).encode()).hexdigest(),
    "toJson": lambda value: json.dumps(value, separators=(",", ":")),
    "toYaml": lambda value: yaml.safe_dump(value, default_flow_style=False).rstrip("\n"),
}


@dataclass
class Chart:
    """The chart with values. `release`: its name."""

    values: Mapping[str, Any]
    release: str = "school"
    parts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, changed: Mapping[str, Any], release: str = "school") -> Chart:
        values = _merged(yaml.safe_load((CHART / "values.yaml").read_text("utf-8")), changed)
        chart = cls(values, release)
        text = (CHART / "templates" / "_parts.tpl").read_text("utf-8")
        for found in re.finditer(r'\{\{-? define "([\w.]+)" -\}\}\n(.*?)\n\{\{- end -\}\}', text, re.DOTALL):
            chart.parts[found[1]] = found[2]
        return chart

    def render(self) -> list[dict[str, Any]]:
        """Return every object of the chart. Raises ChartFault."""
        found = []
        for path in sorted((CHART / "templates").glob("*.yaml")):
            text = self._fill(path.read_text("utf-8"))
            found += [each for each in yaml.safe_load_all(text) if each is not None]
        return found

    def _fill(self, text: str) -> str:
        """Carry out actions from the left to the right; of an `if` that does not hold, leave its block out."""
        out, at = [], 0
        shown = [True]  # of each open block, whether it is shown
        for action in _ACTION.finditer(text):
            out.append(text[at : action.start()] if shown[-1] else "")
            at, words = action.end(), action[2]
            if words.startswith("if "):
                shown.append(shown[-1] and bool(self._evaluate(words.removeprefix("if "))))
            elif words == "end":
                shown.pop()
            elif shown[-1]:
                out.append(self._text(words))
        if shown != [True]:
            raise ChartFault("an if without an end")
        return "".join([*out, text[at:]])

    def _text(self, words: str) -> str:
        value = self._evaluate(words)
        if value is None:
            raise ChartFault(f"nothing is set: {words}")
        return str(value)

    def _evaluate(self, words: str) -> Any:
        value: Any = None
        for number, part in enumerate(words.split(" | ")):
            name, *arguments = _WORD.findall(part)
            given = [self._value(each) for each in arguments] + ([value] if number else [])
            value = self._call(name, given) if arguments or number or name.isalpha() else self._value(name)
        return value

    def _call(self, name: str, given: list[Any]) -> Any:
        match name, given:
            case "include", [part, _]:
                return self._fill(self.parts[part])
            case "required", [why, value]:
                if value in (None, ""):
                    raise ChartFault(str(why))
                return value
            case "eq", [one, other]:
                return one == other
            case "default", [other, value]:
                return value or other
            case _, [value] if name in OF_ONE_VALUE:
                return OF_ONE_VALUE[name](value)
            case "nindent", [count, value]:
                return "\n" + "\n".join(f"{' ' * int(count)}{line}" if line else "" for line in value.splitlines())
        raise ChartFault(f"this reader does not know {name}")

    def _value(self, word: str) -> Any:
        if word.startswith('"'):
            return json.loads(word)
        if word.isdecimal():
            return int(word)
        if word == ".":
            return None
        about = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
        found: Any = {
            "Values": self.values,
            "Release": {"Name": self.release, "Revision": 1},
            "Chart": {"AppVersion": about["appVersion"]},
        }
        for name in word.removeprefix(".").split("."):
            if not isinstance(found, Mapping) or name not in found:
                raise ChartFault(f"there is no value {word}")
            found = found[name]
        return found


def _merged(values: Any, changed: Any) -> Any:
    if not (isinstance(values, Mapping) and isinstance(changed, Mapping)):
        return changed
    if unknown := set(changed) - set(values):
        raise ChartFault(f"there is no value {', '.join(sorted(unknown))}")
    return {name: _merged(each, changed[name]) if name in changed else each for name, each in values.items()}
