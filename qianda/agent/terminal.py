"""The agent's own terminal: print texts and ask questions."""

from __future__ import annotations

import getpass
import sys

from qianda.agent.words import AgentTrouble, harmless, say


class Terminal:
    def __init__(self, language: str) -> None:
        self.language = language

    def say(self, name: str, /, **blanks: object) -> None:
        print(say(self.language, name, **blanks), flush=True)

    def show(self, label: str, value: str) -> None:
        """Print one line of what the hub says about the contract, without control characters."""
        print(f"  {harmless(label)}: {harmless(value)}", flush=True)

    def complain(self, name: str, /, **blanks: object) -> None:
        print(say(self.language, name, **blanks), file=sys.stderr, flush=True)

    def ask(self, name: str, /, **blanks: object) -> str:
        try:
            return input(f"{say(self.language, name, **blanks)}: ").strip()
        except EOFError:
            raise AgentTrouble("stopped") from None

    def ask_secret(self, name: str, /, **blanks: object) -> str:
        """Ask for a secret on the terminal itself, not from a pipe, and do not show what is typed."""
        try:
            return getpass.getpass(f"{say(self.language, name, **blanks)}: ")
        except EOFError:
            raise AgentTrouble("stopped") from None

    def choose(self, most: int) -> int:
        """Ask for a number from 1 to `most`, and again after a wrong answer. Raises AgentTrouble for an empty one."""
        numbers = [str(number) for number in range(1, most + 1)]
        while answer := self.ask("choose"):
            if answer in numbers:
                return int(answer)
            self.say("choose-again", most=most)
        raise AgentTrouble("stopped")
