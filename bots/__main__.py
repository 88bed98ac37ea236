"""The command line: what can be asked, and how each command ends. Knows no engine; the commands do."""

import argparse
import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from bots import (
    __version__,
    app,
    backup_command,
    check,
    doctor,
    put_aside,
    skills_command,
    skills_curve,
    skills_report,
    skills_teaching,
    skills_testing,
)
from bots.finding import as_json, as_line, is_fine
from bots.kept_figures import kept_standings
from bots.logs import set_up_logging, shown
from bots.opening import ModelOpener, open_model
from bots.setup import DEFAULT_CONFIG, Setup, read_setup, read_setup_to_converse
from bots.signals import Leave, until_signal
from bots.slack import push_manifest
from bots.slack_manifest import install_link, manifest_yaml, without_slash_command
from bots.slack_push import PushFailed
from bots.terminal_session import printable
from engine import SLACK_PUSH_NEEDS, UnderstudyError, fallen, of_no_use, sentence, slack_pushed
from engine.inference import InferenceError

DEBUG_VARIABLE = "UNDERSTUDY_DEBUG"

_EXIT_INTERRUPTED = 130
_EXIT_BROKEN_PIPE = 141  # what a shell says of a program that SIGPIPE ended

_CHAT = """Talk in this terminal. With a pipe at stdin, each line is a message and stdout gets the answers alone:

  printf '/sentiment I loved it\\n' | understudy chat

The exit code is 1 when an answer failed. Each start is a conversation of its own. It may run beside `understudy run`:
the terminal has a database of its own, terminal.db in data_dir, and a second terminal one that is gone afterwards."""

_RUN = """Answer in every place whose tokens are in the environment or in `.env` beside config.yaml:

  Slack    SLACK_BOT_TOKEN and SLACK_APP_TOKEN   docs/slack.md
  Discord  DISCORD_TOKEN                         docs/discord.md

Ends in order on Ctrl-C or SIGTERM: nothing new is begun, what is being answered has 20 seconds, and what is left is answered
after the next start. A second one ends it at once.
Only one `understudy run` may use a data_dir."""


_BACKUP = """Make a backup: one .zip with the database of Slack and Discord, the skills, their old versions, config.yaml, and a manifest of
their sha256. No token is in it; what people said is, so it is readable by you alone. Without PATH it goes into data_dir/backups.
A running bot is asked to make it. It also makes one a day by itself (`backups:` in config.yaml)."""

_RESTORE = """Put a backup back: database, skills and their old versions. What was there is moved to data_dir/before-restore-..., config.yaml is left
as it is. Nothing is touched unless every part is what the manifest says and the database is sound. Stop the bot first."""


class UsageError(UnderstudyError):
    """The command line cannot be read."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, with the word that was probably meant."""

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if wrong is None:
            raise UsageError(f"{message[:1].upper()}{message[1:]}. `{self.prog} --help` says more.")
        known = re.findall(r"[\w-]+", wrong[2])
        near = get_close_matches(wrong[1], known, n=1)
        meant = f"Did you mean `{near[0]}`?" if near else f"There are: {', '.join(known)}."
        raise UsageError(f"`{self.prog}` has no command `{wrong[1]}`. {meant}")


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="understudy",
        description="A team chat bot that learns by example, on your own machine.",
        epilog="Begin with `understudy chat`; when something is wrong, `understudy doctor` says what.",
    )
    parser.add_argument("--version", action="version", version=f"understudy {__version__}")
    _add_common(parser, config=DEFAULT_CONFIG, is_verbose=False)
    # The same options after the command: left out there, they do not undo what stands before it.
    common = _Parser(add_help=False)
    _add_common(common, config=argparse.SUPPRESS, is_verbose=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def add(name: str, help_text: str, description: str = "") -> _Parser:
        return commands.add_parser(
            name,
            help=help_text,
            description=description or f"{help_text}.",
            parents=[common],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    add("chat", "talk in this terminal, or answer the lines of a pipe", _CHAT)
    add("run", "answer in Slack and Discord", _RUN)
    add("check", "check config.yaml and every skill; exit code 1 when something is wrong")
    doctor_parser = add("doctor", "look at everything that answering needs, and say what to do")
    doctor_parser.add_argument("--json", action="store_true", help="for machines")
    doctor_parser.add_argument(
        "--accept-model", action="store_true", help="take the model file as it is now: you replaced it"
    )
    add(
        "put-aside",
        "say how many messages are not answered any more, as the model's process died of them twice",
    ).add_argument("--clear", action="store_true", help="let them be tried again")
    backup = add("backup", "make a backup of database, skills and settings, also while the bot runs", _BACKUP)
    backup.add_argument("path", metavar="PATH", nargs="?", type=Path, help="a file, or a folder for it")
    backup.add_argument("--list", action="store_true", help="show those in data_dir/backups instead")
    restore = add("restore", "put a backup back, while no bot runs", _RESTORE)
    restore.add_argument("path", metavar="PATH", type=Path)
    restore.add_argument("--check", action="store_true", help="only look whether it is whole")
    _add_skills(add("skills", "list, show, try and write skills"), common)
    add(
        "slack-manifest",
        "print the manifest of the Slack app that fits these skills; the link goes to stderr",
    ).add_argument(
        "--push", action="store_true", help="give it to Slack: needs SLACK_CONFIG_TOKEN and SLACK_APP_ID"
    )
    return parser


def _add_common(parser: argparse.ArgumentParser, *, config: Path | str, is_verbose: bool | str) -> None:
    parser.add_argument(
        "--config", type=Path, default=config, metavar="FILE", help="the settings (default: config.yaml)"
    )
    parser.add_argument(
        "--verbose", action="store_true", default=is_verbose, help="log what happens to stderr"
    )


def _add_skills(parser: _Parser, common: _Parser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=_Parser)
    verbs.add_parser("list", help="all skills (this is the default)", parents=[common])
    verbs.add_parser("show", help="everything about one", parents=[common]).add_argument(
        "name", metavar="NAME"
    )
    attempt = verbs.add_parser("try", help="one answer; nothing of it is kept", parents=[common])
    attempt.add_argument("name", metavar="NAME")
    attempt.add_argument("text", metavar="TEXT", nargs="+")
    verbs.add_parser("new", help="write skills/NAME.yaml to begin with", parents=[common]).add_argument(
        "name", metavar="NAME"
    )
    teach = verbs.add_parser(
        "teach", help="teach all examples of a .csv or .jsonl file, or none", parents=[common]
    )
    teach.add_argument("name", metavar="NAME")
    teach.add_argument("file", metavar="FILE", type=Path)
    _add_care(teach)
    curve = verbs.add_parser(
        "curve", help="draw how right it is with ever more of its examples", parents=[common]
    )
    curve.add_argument("name", metavar="NAME")
    curve.add_argument("--png", type=Path, metavar="FILE", help="write the picture too")
    report = verbs.add_parser(
        "report",
        help="measure all skills and write a page about them, which takes its time",
        parents=[common],
    )
    report.add_argument(
        "--output",
        type=Path,
        default=skills_report.DEFAULT_OUTPUT,
        metavar="FILE",
        help=f"the page (default: {skills_report.DEFAULT_OUTPUT})",
    )
    test = verbs.add_parser(
        "test",
        help="how often it is right: each example as if it had not been taught, and its checks",
        parents=[common],
    )
    test.add_argument("name", metavar="NAME")
    test.add_argument("--json", action="store_true", help="for machines")
    test.add_argument("--limit", type=_number, metavar="N", help="only N items, always the same ones")
    verbs.add_parser("history", help="what the bot changed in its file", parents=[common]).add_argument(
        "name", metavar="NAME"
    )
    diff = verbs.add_parser("diff", help="one of these changes, line by line", parents=[common])
    diff.add_argument("name", metavar="NAME")
    diff.add_argument("number", metavar="N", type=int)


def _add_care(teach: _Parser) -> None:
    """The skill is measured without the file's examples and with them, unless somebody says otherwise."""
    care = teach.add_mutually_exclusive_group()
    care.add_argument(
        "--even-if-worse",
        dest="care",
        action="store_const",
        const=skills_teaching.Care.EVEN_IF_WORSE,
        help="an admin's word: teach it also where it makes the skill measurably worse",
    )
    care.add_argument(
        "--no-measure",
        dest="care",
        action="store_const",
        const=skills_teaching.Care.UNMEASURED,
        help="do not measure what it does to the skill: no model is loaded",
    )


# One function a command. Each returns the exit code.


def _chat(arguments: argparse.Namespace, opener: ModelOpener) -> int:
    setup = read_setup_to_converse(arguments.config)
    return asyncio.run(until_signal(app.chat(setup, opener), signal.SIGTERM, signal.SIGHUP))


def _run(arguments: argparse.Namespace, opener: ModelOpener) -> int:
    setup = read_setup_to_converse(arguments.config)
    try:
        return asyncio.run(_serve(setup, opener))
    finally:
        _give_up_what_is_unsaid()


async def _serve(setup: Setup, opener: ModelOpener) -> int:
    leave = Leave()
    return await until_signal(
        app.run(setup, opener, _announce, leave=leave), signal.SIGTERM, signal.SIGINT, leave=leave
    )


def _backup(arguments: argparse.Namespace, _opener: ModelOpener) -> int:
    setup = read_setup(arguments.config)
    if arguments.list:
        for line in backup_command.backup_lines(setup):
            _say(line)
        return app.EXIT_FINE
    _say(f"The backup is in {asyncio.run(backup_command.back_up(setup, arguments.path))}.")
    return app.EXIT_FINE


def _restore(arguments: argparse.Namespace, _opener: ModelOpener) -> int:
    setup = read_setup(arguments.config)
    if arguments.check:
        _say(asyncio.run(backup_command.check_backup(arguments.path)))
        return app.EXIT_FINE
    for line in backup_command.restored_lines(asyncio.run(backup_command.restore(setup, arguments.path))):
        _say(line)
    return app.EXIT_FINE


def _check(arguments: argparse.Namespace, _opener: ModelOpener) -> int:
    faults, closing = check.check(arguments.config)
    for fault in faults:
        _say(str(fault))
    _say(closing)
    return app.EXIT_FAILED if faults else app.EXIT_FINE


def _doctor(arguments: argparse.Namespace, opener: ModelOpener) -> int:
    return asyncio.run(
        _examine(arguments.config, opener, is_json=arguments.json, accepts_models=arguments.accept_model)
    )


async def _examine(config: Path, opener: ModelOpener, *, is_json: bool, accepts_models: bool) -> int:
    checks = []
    with app.loading_status() as progress:
        async for one in doctor.examine(config, opener, progress, accepts_models=accepts_models):
            checks.append(one)
            if not is_json:
                _say(as_line(one))
    if is_json:
        print(as_json(checks))
    return app.EXIT_FINE if is_fine(checks) else app.EXIT_FAILED


def _skills(arguments: argparse.Namespace, opener: ModelOpener) -> int:
    setup = read_setup(arguments.config)
    match arguments.verb:
        case "show":
            skills_command.print_page(
                skills_command.as_page(
                    skills_command.found(setup.skillbook, arguments.name), setup.data.methods
                )
            )
        case "try":
            _say(asyncio.run(_try(setup, opener, arguments.name, " ".join(arguments.text))))
        case "new":
            path = skills_command.write_new(setup.config.skills_dir, arguments.name)
            _say(f"{os.path.relpath(path)} is there: change it, then try it with /{arguments.name}.")
        case "teach":
            return _teach(setup, opener, arguments)
        case "curve":
            return _curve(setup, opener, arguments)
        case "report":
            return _report(setup, opener, arguments)
        case "test":
            return _test(setup, opener, arguments)
        case "history":
            skills_command.print_page(skills_teaching.as_history(setup, arguments.name))
        case "diff":
            skills_command.print_page(skills_teaching.as_diff(setup, arguments.name, arguments.number))
        case _:
            skills_command.print_page(skills_command.as_table(setup.skillbook))
            for line in asyncio.run(_marks(setup)):
                _say(line)
            for fault in setup.skillbook.faults:
                _complain(str(fault))
    return app.EXIT_FINE


def _teach(setup: Setup, opener: ModelOpener, arguments: argparse.Namespace) -> int:
    care = arguments.care or skills_teaching.Care.MEASURED
    try:
        with app.loading_status() as progress:
            written = asyncio.run(
                skills_teaching.teach_file(setup, opener, progress, arguments.name, arguments.file, care=care)
            )
    except InferenceError as error:
        _complain(_told(error))
        _complain("Nothing was taught. With `--no-measure` it is taught without a model.")
        return app.EXIT_UNUSABLE
    if written is None:
        _complain("It was stopped while it was measured: nothing was taught.")
        return _EXIT_INTERRUPTED
    skills_command.print_page(skills_teaching.as_taught(written, care))
    if written.warning:
        _complain(written.warning)
    return app.EXIT_FINE


def _curve(setup: Setup, opener: ModelOpener, arguments: argparse.Namespace) -> int:
    skills_command.found(setup.skillbook, arguments.name)  # a wrong name is said before a model is loaded
    with app.loading_status() as progress:
        curve = asyncio.run(skills_curve.make_curve(setup, opener, progress, arguments.name))
    skills_curve.print_curve(curve)
    if arguments.png is not None:
        skills_curve.write_png(curve, arguments.png)
        _complain(f"The picture is in {arguments.png}.")
    return app.EXIT_FINE if curve.is_whole else _EXIT_INTERRUPTED


def _report(setup: Setup, opener: ModelOpener, arguments: argparse.Namespace) -> int:
    with app.loading_status() as progress:
        report = asyncio.run(skills_report.make_report(setup, opener, progress, arguments.output))
    _say(f"{arguments.output} is about {report.num_skills} skills.")
    if not report.is_whole:
        _complain(
            "It was stopped before it was whole. What was measured is kept: the next time goes on from there."
        )
    return app.EXIT_FINE if report.is_whole else _EXIT_INTERRUPTED


def _test(setup: Setup, opener: ModelOpener, arguments: argparse.Namespace) -> int:
    skills_command.found(setup.skillbook, arguments.name)  # a wrong name is said before a model is loaded
    with app.loading_status() as progress:
        tested = asyncio.run(
            skills_testing.measure_skill(setup, opener, progress, arguments.name, arguments.limit)
        )
    if arguments.json:
        print(skills_testing.as_json(tested.measurement))
    else:
        skills_command.print_page(skills_testing.as_page(tested.measurement))
    return _EXIT_INTERRUPTED if tested.was_interrupted else app.EXIT_FINE


def _number(text: str) -> int:
    """Raises:
    ArgumentTypeError: it is no whole number from 1 on.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return int(text)


async def _marks(setup: Setup) -> list[str]:
    """Of skills that are of no use with the model they were measured with, or fell with it."""
    found = await kept_standings(setup)
    no_use = [of_no_use(one) for one in found if one.is_of_no_use]
    return [*no_use, *(fallen(one) for one in found if one.has_fallen)]


async def _try(setup: Setup, opener: ModelOpener, name: str, text: str) -> str:
    with app.loading_status() as progress:
        return (await skills_command.answer_once(setup, opener, progress, name, text)).text


def _put_aside(arguments: argparse.Namespace, _opener: ModelOpener) -> int:
    setup = read_setup(arguments.config)
    _say(asyncio.run(put_aside.look(setup.data, is_clearing=arguments.clear)))
    return app.EXIT_FINE


def _slack_manifest(arguments: argparse.Namespace, _opener: ModelOpener) -> int:
    setup = read_setup(arguments.config)
    skills = setup.skillbook.skills
    if arguments.push:
        return _push_manifest(setup)
    print(manifest_yaml(skills), end="")
    for name, reason in without_slash_command(skills).items():
        _complain(f"/{name} is left out, as {reason}; `/understudy {name}` calls it.")
    _complain(f"Create the app with this manifest: {install_link(skills)}")
    return app.EXIT_FINE


def _push_manifest(setup: Setup) -> int:
    secrets = setup.secrets
    if not (secrets.slack_config_token and secrets.slack_app_id):
        _complain(SLACK_PUSH_NEEDS)
        return app.EXIT_FAILED
    try:
        is_reinstall_needed = asyncio.run(
            push_manifest(setup.config.slack.api_url, secrets, setup.skillbook.skills)
        )
    except PushFailed as error:
        _complain(str(error))
        return app.EXIT_FAILED
    _say(slack_pushed(is_reinstall_needed=is_reinstall_needed))
    return app.EXIT_FINE


_COMMANDS: dict[str, Callable[[argparse.Namespace, ModelOpener], int]] = {
    "chat": _chat,
    "run": _run,
    "check": _check,
    "doctor": _doctor,
    "backup": _backup,
    "restore": _restore,
    "skills": _skills,
    "put-aside": _put_aside,
    "slack-manifest": _slack_manifest,
}


def _say(line: str) -> None:
    print(shown(printable(line)), flush=True)


def _announce(line: str) -> None:
    """As a bot speaks that nobody watches: no log is worth an answer, should its disk be full or its reader gone."""
    with suppress(OSError):
        _say(line)


def _give_up_what_is_unsaid() -> None:
    """Python would say it once more at its end, and end with another code when that fails."""
    try:
        sys.stdout.flush()
    except OSError:
        _silence_stdout()


def _complain(line: str) -> None:
    print(shown(printable(line)), file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None, *, opener: ModelOpener = open_model) -> int:
    """Runs one command. Whatever a person can cause ends in a sentence on stderr and an exit code."""
    try:
        return _dispatch(argv, opener)
    except (UnderstudyError, InferenceError) as error:
        _complain(_told(error))
        return app.EXIT_UNUSABLE
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return _EXIT_BROKEN_PIPE
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        _complain(f"Something went wrong that should not have ({type(error).__name__}: {error}).")
        _complain(f"Run it with {DEBUG_VARIABLE}=1 for the traceback.")
        return app.EXIT_FAILED


def _dispatch(argv: Sequence[str] | None, opener: ModelOpener) -> int:
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return app.EXIT_UNUSABLE
    set_up_logging(is_verbose=arguments.verbose)
    return _COMMANDS[arguments.command](arguments, opener)


def _told(error: UnderstudyError | InferenceError) -> str:
    match error:
        case UsageError():
            return str(error)
        case app.NoPlaces():
            return "No place has its tokens. docs/slack.md and docs/discord.md say how to get them, step by step."
        case _:
            return sentence(error)


def _silence_stdout() -> None:
    """So that Python's own flush at the end does not complain about the closed pipe."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
