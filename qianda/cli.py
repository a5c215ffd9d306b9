"""The command `qianda`: `verify` works anywhere; the server's commands are added where the server is installed."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qianda.seal_command import seal_group
from qianda.terminal_language import Language, language_of_environment

if TYPE_CHECKING:
    from qianda.evidence.package_check import PackageReport
    from qianda.verify.elements import ElementAnswer, VerificationReport
    from qianda.verify.expectation import Expectation
    from qianda.verify.findings import Reason
    from qianda.verify.validation_report import ReportedSignature

COMMAND_GROUP = "qianda.commands"  # entry points: typer apps whose commands are added to this one
NOTHING_FAILED, SOMETHING_FAILED, UNREADABLE = 0, 1, 2

_OWN_COMMANDS = ("verify", "agent")
_HELP = "Qianda 签达 gets contracts signed."


# A document and its package, or a package and its addendum.
MAX_TOGETHER = 2


class RequiredWord(StrEnum):
    """The words that can be required of each element; `qianda.verify.findings.Word` has all words."""

    SHOWN = "shown"
    DECLARED = "declared"


def main() -> None:
    """Run the command line given to the process."""
    build(sys.argv[1:])()


def build(arguments: list[str]) -> typer.Typer:
    """Return the whole command. For `verify` and `agent`, the server's commands are left out, for a quick start."""
    # With markup, text in square brackets would be missing from the help.
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None)
    app.command()(verify)
    app.command()(agent)
    hint = "" if arguments[:1] and arguments[0] in _OWN_COMMANDS else _join_server_commands(app)

    if hint:
        app.add_typer(seal_group(), name="seal")
    if hint and arguments and not arguments[0].startswith("-"):
        typer.echo(hint, err=True)  # without this hint a missing library would look like a mistyped command

    @app.callback(help=_HELP, epilog=hint)
    def _entry(
        version: Annotated[
            bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
        ] = False,
    ) -> None: ...

    return app


def _named_path(text: str) -> Path:
    """Return the path. Raises BadParameter for an empty text, which would mean the working folder: a stranger's file
    may lie there with certificates of its own."""
    if not text:
        raise typer.BadParameter("name a file or a folder")
    return Path(text)


_TRUST = typer.Option(
    help="Certificates to trust, repeatable: of authorities, timestamp services, and the organisation's seal. "
    "A PEM file, or a folder with *.pem files. [default: QIANDA_DATA/trust]",
    parser=_named_path,
    metavar="PATH",
)
_NOTHING_TRUSTED = {
    Language.EN: "No authority is trusted: no *.pem in {folder}. Name one with --trust.",
    Language.ZH: "没有信任任何认证机构：{folder} 中没有 *.pem。请用 --trust 指定。",
}
_TRUSTED_BY_DEFAULT = {
    Language.EN: "Trusted: the certificates in {folder}. Name others with --trust.",
    Language.ZH: "信任 {folder} 中的证书。如需改用其他证书，请用 --trust 指定。",
}

# What the system, or the check itself, says in English; other faults are told in the system's words.
_CHINESE_FAULTS: dict[type[OSError], str] = {
    FileNotFoundError: "没有这个文件。",
    IsADirectoryError: "这是文件夹，请指定一个文件。",
    PermissionError: "没有权限读写这个文件。",
    FileExistsError: "文件已存在。",
    TimeoutError: "检查没有在规定的时间内得出结果。",
}


def verify(
    file: Annotated[
        list[Path],
        typer.Argument(
            help="The PDF, OFD or evidence package to check; or a package, with its PDF or its addendum.",
            show_default=False,
        ),
    ],
    trust: Annotated[list[Path] | None, _TRUST] = None,
    expect: Annotated[
        str | None, typer.Option(help="The number of the contract that this must be.", metavar="NUMBER")
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="What this must be: a JSON file with number, document_sha256, final_sha256 or fields."),
    ] = None,
    require: Annotated[
        RequiredWord | None,
        typer.Option(
            help="Fail unless each element is answered so, or better; who owned and used the key, for each person."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(help="Write the report of ETSI TS 119 102-2 (XML) into this new file.", metavar="FILE"),
    ] = None,
    language: Annotated[Language | None, typer.Option(help="[default: by LANG]", show_default=False)] = None,
) -> None:
    """Check a finished contract or an evidence package offline, element by element.

    Exit code 0: nothing failed. 1: something failed. 2: the file, or what to trust, could not be read.
    """
    trust_files = trust if trust is not None else trusted_by_default()
    tongue = language or language_of_environment()
    if not trust_files:
        typer.echo(_NOTHING_TRUSTED[tongue].format(folder=_trust_folder()), err=True)
    elif trust is None:  # a stranger's file may have come in a folder with certificates of its own
        typer.echo(_TRUSTED_BY_DEFAULT[tongue].format(folder=_trust_folder().absolute()), err=True)
    if len(file) > MAX_TOGETHER:
        raise typer.BadParameter("name one file, or a package with its PDF or its addendum")
    asked = VerifyArguments(file[0], trust_files, expect, manifest, as_json, report, require, *file[1:])
    raise typer.Exit(_verify(asked, tongue))


def agent(
    origin: Annotated[str, typer.Option(help="The school's signing site, https://… [default: pinned, or asked]")] = "",
    module: Annotated[str, typer.Option(help="Your token's PKCS#11 module. [default: pinned, or asked]")] = "",
    config: Annotated[
        Path | None, typer.Option(help="Where both are pinned. [default: qianda/agent.toml in your configuration]")
    ] = None,
    language: Annotated[Language | None, typer.Option(help="[default: by LANG]", show_default=False)] = None,
) -> None:
    """Sign with a USB token on this computer the contract that a page of the school shows.

    Exit code 0: signed. 1: nothing was signed.
    """
    try:
        from qianda.agent.flow import sign_once  # these libraries belong to an extra
    except ImportError as error:
        typer.echo(f"The agent needs the extra 'agent'; not available here: {error}.", err=True)
        raise typer.Exit(SOMETHING_FAILED) from error
    raise typer.Exit(sign_once(origin, module, config, language or language_of_environment()))


def trusted_by_default() -> list[Path]:
    """Return the certificate files in the folder `trust` of the data folder."""
    from qianda.verify.trust import list_trust_files  # imported here so that the command starts quickly

    return list_trust_files(_trust_folder())


@dataclass(frozen=True)
class VerifyArguments:
    """The arguments of the command `verify`. `beside`: a second file, which is checked together with `file`."""

    file: Path
    trust_files: list[Path]
    number: str | None
    manifest: Path | None
    as_json: bool
    report: Path | None = None
    required: RequiredWord | None = None
    beside: Path | None = None

    def expectation(self) -> Expectation:
        from qianda.verify.expectation import Expectation

        expected = Expectation.read(self.manifest) if self.manifest else Expectation()
        return expected if self.number is None else replace(expected, number=self.number)

    def together(self) -> VerifyArguments:
        """Return the arguments with the package first. It has to contain the other file, or be extended by it.

        Raises UnreadableDocument, OSError.
        """
        from qianda.evidence.pair import order_pair

        assert self.beside is not None
        package, beside = order_pair((self.file, self.beside))
        return replace(self, file=package, beside=beside)


def _verify(asked: VerifyArguments, language: Language) -> int:
    from qianda.verify.expectation import UnreadableManifest
    from qianda.verify.findings import UnreadableDocument  # imported here so that the command starts quickly
    from qianda.verify.guard import is_package, verify_guarded
    from qianda.verify.report import say
    from qianda.verify.trust import UnreadableTrust
    from qianda.verify.validation_report import signatures_of

    try:
        if asked.beside is not None:
            return _verify_package(asked.together(), language)
        if is_package(asked.file):
            return _verify_package(asked, language)
        report = verify_guarded(asked.file, asked.trust_files, asked.expectation())
        _write_report(asked, signatures_of(report))
    except UnreadableDocument as error:
        return _say_unreadable(asked, error.reason, language)
    except OSError as error:
        return _say_fault(asked, error, language)
    except (UnreadableTrust, UnreadableManifest) as error:
        typer.echo(say(error.reason, language), err=True)
        return UNREADABLE
    from qianda.verify import report as reports
    from qianda.verify.findings import Word
    from qianda.verify.requirement import find_lacking

    lacking = find_lacking(report, Word(asked.required.value)) if asked.required else ()
    return _say(asked, language, reports, report, lacking)


def _verify_package(asked: VerifyArguments, language: Language) -> int:
    """Check an evidence package. Raises as `check_guarded` does."""
    from qianda.evidence.pair import call_for_pair
    from qianda.verify.guard import call_for_package, check_guarded

    expected = asked.expectation()
    check = call_for_package(asked.file, asked.trust_files, expected)
    if asked.beside is not None:
        check = call_for_pair((asked.file, asked.beside), asked.trust_files, expected)
    report: PackageReport = check_guarded(check)
    from qianda.evidence import package_report
    from qianda.verify.findings import Word

    _write_report(asked, package_report.signatures_of(report))
    lacking = package_report.find_lacking(report, Word(asked.required.value)) if asked.required else ()
    return _say(asked, language, package_report, report, lacking)


def _say(
    asked: VerifyArguments,
    language: Language,
    words: ModuleType,
    report: VerificationReport | PackageReport,
    lacking: Sequence[ElementAnswer],
) -> int:
    """Print a report, and the elements that lack what was required. Return the exit code. `words`: the module that
    formats such reports."""
    if asked.as_json:
        _say_json(words.as_json(report), lacking, asked)
    else:
        from rich.console import Console

        from qianda.verify.report import show_lacking

        console = Console(emoji=False)  # otherwise `:ok:` in a stranger's name would become a picture
        words.show(report, console, language)
        show_lacking(lacking, console, language)
    return SOMETHING_FAILED if report.failed or lacking else NOTHING_FAILED


def _say_json(said: dict[str, Any], lacking: Sequence[ElementAnswer], asked: VerifyArguments) -> None:
    from qianda.verify.findings import readable

    if asked.beside is not None:
        said["together_with"] = readable(asked.beside.name)
    if asked.required is not None:
        said["required"] = asked.required.value
        said["lacking"] = [answer.element.value for answer in lacking]
    typer.echo(json.dumps(said, ensure_ascii=False, indent=2))


def _write_report(asked: VerifyArguments, signatures: list[ReportedSignature]) -> None:
    """Write the report of TS 119 102-2, if it was asked for. Raises OSError, also if the file exists."""
    if asked.report is None:
        return
    from qianda.verify.validation_report import validation_report

    with asked.report.open("xb") as new:
        new.write(validation_report(signatures, datetime.now(UTC)))


def _say_unreadable(asked: VerifyArguments, reason: Reason, language: Language) -> int:
    from qianda.verify import report as reports
    from qianda.verify.findings import readable

    if asked.as_json:
        typer.echo(json.dumps(reports.unreadable_json(asked.file.name, reason), ensure_ascii=False, indent=2))
    typer.echo(f"{readable(str(asked.file))}: {reports.say(reason, language)}", err=True)
    return UNREADABLE


def _say_fault(asked: VerifyArguments, error: OSError, language: Language) -> int:
    """Print what the system says about a file; as JSON, too, if it is one that was to be checked."""
    from qianda.verify import report as reports
    from qianda.verify.findings import Reason, readable

    english = error.strerror or str(error)
    reason = Reason(_CHINESE_FAULTS.get(type(error), english), english)
    checked = {asked.file, asked.beside} - {asked.report, None}  # a report is written, and nothing is read from it
    named = Path(error.filename or "")
    if asked.as_json and named in checked:
        said = reports.unreadable_json(named.name, reason)
        typer.echo(json.dumps(said, ensure_ascii=False, indent=2))
    typer.echo(readable(f"{error.filename or asked.file}: {reports.say(reason, language)}"), err=True)
    return UNREADABLE


def _join_server_commands(app: typer.Typer) -> str:
    """Add the commands of the entry points. If a library that they need is missing, return a hint for the help text."""
    for point in importlib.metadata.entry_points(group=COMMAND_GROUP):
        try:
            joined = point.load()
        except ImportError as error:
            return f"More commands (demo, serve, …) need the extra 'server'; not available here: {error}."
        app.registered_commands += joined.registered_commands
        app.registered_groups += joined.registered_groups
    return ""


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"qianda {importlib.metadata.version('qianda')}")
        raise typer.Exit


def _trust_folder() -> Path:
    return Path(os.environ.get("QIANDA_DATA") or "data") / "trust"
