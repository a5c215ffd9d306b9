"""Ask the questions of a set-up in a terminal, in the order of the page. A wrong answer is asked again with the
reason."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.prompt import Confirm, Prompt

from hub.errors import BadInput, UnreadableFile
from hub.settings import PACKED
from hub.setup.answers import channel_entry, kept_answers
from hub.setup.answers_file import AnswersFile
from hub.setup.check_answers import AnswerFault, find_step_faults
from hub.setup.look_at_origin import FROM_HERE, look_at_origin
from hub.setup.provider_trial import send_trial, take_code
from hub.setup.questions import STEPS, SetupQuestion, SetupStep
from hub.setup.tables import read_upload
from hub.web.pages.fault_words import say_fault
from hub.web.pages.i18n import Catalogues, Translate
from hub.web.setup.steps import SEAL_REASONS

NOTHING = ""


def terminal_language(environment: Mapping[str, str]) -> str:
    """Return zh for a terminal in Chinese (LC_ALL, LC_MESSAGES, LANG), else en."""
    named = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return "zh" if named.startswith("zh") else "en"


class TerminalQuestions:
    """The questions, step by step. Each answer is kept in an encrypted file, so that the set-up can be stopped and
    continued.

    `stream`: where answers are read from; None means the keyboard.
    """

    def __init__(self, file: AnswersFile, console: Console, language: str, stream: TextIO | None = None) -> None:
        self._file, self._console, self._language, self._stream = file, console, language, stream
        self._translate: Translate = Catalogues.read(PACKED / "templates" / "languages").translator(language)
        self.answers = file.read()

    def ask_all(self, now: datetime) -> None:
        """Ask every question that has no answer yet, or a wrong one."""
        for number, step in enumerate(STEPS, 1):
            if step.name in self.answers and not find_step_faults(step, self.answers, self._file.keys):
                continue
            self._console.rule(f"{number}/{len(STEPS)} {escape(self._translate(step.title))}", align="left")
            self._console.print(escape(self._translate(step.words)), style="dim")
            self._ask_step(step)
            if step.name == "origin":
                self._look(now)
            if step.name == "messages":
                self._try_provider()

    # ---- one step

    def _ask_step(self, step: SetupStep) -> None:
        """Ask the questions of a step. After a fault, ask again the questions that it concerns, or all of them."""
        given = dict(self.answers.get(step.name, {}))
        again: set[str] | None = None
        while True:
            for question in step.questions:
                if question in step.asked(given) and (again is None or question.name in again):
                    given[question.name] = self._ask(question, given.get(question.name, ""))
            kept = kept_answers(step, given, self.answers.get(step.name, {}))
            faults = find_step_faults(step, {**self.answers, step.name: kept}, self._file.keys)
            if not faults:
                break
            self._say_faults(step, faults)
            again = {each.question for each in faults} - {NOTHING} or None
        self.answers[step.name] = kept
        self._file.keep(self.answers)

    def _say_faults(self, step: SetupStep, faults: list[AnswerFault]) -> None:
        words = {each.name: self._translate(each.words) for each in step.questions}
        for each in faults:
            where = f"{words[each.question]}: " if each.question in words else ""
            self._console.print(escape(f"{where}{say_fault(each.words, self._translate)}"), style="red")

    def _ask(self, question: SetupQuestion, before: str) -> str:
        words = escape(self._translate(question.words))
        if question.hint:
            self._console.print(escape(self._translate(question.hint)), style="dim")
        match question.kind:
            case "choice":
                return self._ask_choice(question, before)
            case "table" | "pem" | "pkcs12":
                return self._ask_file(question, words)
            case "secret":
                return self._read(words, hidden=self._stream is None)
        return self._read(words, before or question.default)

    def _read(self, words: str, default: str = "", *, hidden: bool = False) -> str:
        return Prompt.ask(
            words,
            console=self._console,
            password=hidden,
            default=default,
            show_default=bool(default),
            stream=self._stream,
        )

    def _ask_choice(self, question: SetupQuestion, before: str) -> str:
        self._console.print(escape(self._translate(question.words)))
        for number, choice in enumerate(question.choices, 1):
            reason = SEAL_REASONS.get(choice.value) if question.words == "Certificate of the seal" else None
            said = (reason.zh if self._language == "zh" else reason.en) if reason else self._translate(choice.hint)
            lead = f"{self._translate('`qianda verify` will say of it:')} " if reason else ""
            self._console.print(f"  {number} {escape(self._translate(choice.words))}  [dim]{escape(lead + said)}[/dim]")
        values = [each.value for each in question.choices]
        default = str(values.index(before or question.default) + 1)
        numbers = [str(number) for number in range(1, len(values) + 1)]
        chosen = Prompt.ask(">", console=self._console, choices=numbers, default=default, stream=self._stream)
        return values[int(chosen) - 1]

    def _ask_file(self, question: SetupQuestion, words: str) -> str:
        """Return the content of a file, given by its path. For a table, rows may also be typed, up to an empty line."""
        hint = self._translate("A file's path, or rows up to an empty line" if question.kind == "table" else "Path")
        first = self._read(f"{words} ({escape(hint)})")
        path = Path(first.strip()).expanduser()
        if first.strip() and path.is_file():
            try:
                data = path.read_bytes()
                if question.kind == "pkcs12":
                    return base64.b64encode(data).decode()
                return read_upload(data) if question.kind == "table" else data.decode("ascii", "replace")
            except (UnreadableFile, OSError) as error:
                self._console.print(escape(str(error)), style="red")
                return ""
        rows = [first]
        while question.kind == "table" and rows[-1].strip():
            rows.append(self._read("…"))
        return "\n".join(rows).strip() + "\n" if first.strip() else ""

    # ---- checks and trials

    def _look(self, now: datetime) -> None:
        self._console.print(escape(self._translate(FROM_HERE)), style="dim")
        for each in asyncio.run(look_at_origin(self.answers["origin"]["origin"], "", now)):
            mark = self._translate("yes") if each.well else self._translate("look here")
            self._console.print(escape(f"{mark}: {self._translate(each.words, **dict(each.values))}"))

    def _try_provider(self) -> None:
        """Send a real message and ask for the code in it, as often as the person wants."""
        while (given := self.answers["messages"])["kind"] != "none" and self._confirm("Send the message"):
            try:
                trial = asyncio.run(send_trial(given["kind"], channel_entry(self.answers), given["to"], self._language))
                while not trial.seen:
                    trial = take_code(trial, self._read(self._translate("Six digits")), datetime.now(UTC))
                    if not trial.seen:
                        self._say_wrong("this is not the code of the last message")
            except BadInput as error:
                self._say_wrong(str(error))
                if self._confirm("Change"):
                    self._ask_step(STEPS[-1])
                continue
            self._console.print(escape(self._translate("You have seen it: messages reach {to}.", to=given["to"])))
            return
        words = "No message has been confirmed. Without that, nobody knows whether people can be reached."
        self._console.print(escape(self._translate(words)), style="yellow")

    def _say_wrong(self, words: str) -> None:
        self._console.print(escape(say_fault(words, self._translate)), style="red")

    def _confirm(self, words: str) -> bool:
        question = escape(self._translate(words)) + "?"
        return Confirm.ask(question, console=self._console, default=True, stream=self._stream)

    def confirm_install(self) -> bool:
        """Ask the last question before anything is installed."""
        return self._confirm("Install")

    def confirm_start(self) -> bool:
        return self._confirm("Start the hub now, and rehearse at /staff/rehearsal")
