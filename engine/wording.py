"""Every word that the bot says of its own: short, kind, and what to do next. Knows what went wrong, not where it is shown."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from engine.access import Right
from engine.answer import QueueView, Waiting, Work
from engine.command import BuiltIn, usage
from engine.conversation import Forgotten
from engine.errors import (
    AnswerCut,
    AnswerFailed,
    AnswerLate,
    AnswerLooped,
    AnswerStopped,
    BadInput,
    EmptyAnswer,
    EmptyMessage,
    FileFaults,
    FileNotFetched,
    FileNotText,
    FileTooLarge,
    FirstTokenLate,
    MessageDeleted,
    MessageTooLong,
    MissingInput,
    MissingRight,
    NoDefaultSkill,
    NotAllowed,
    NotHere,
    NotYours,
    PromptTooLong,
    PutAside,
    QueueFull,
    StoreFailed,
    Superseded,
    TeachingRefused,
    TooManyFiles,
    UnknownCommand,
    UnknownInput,
    WaitedTooLong,
    Whose,
)
from engine.inference import FailureCode, ModelInfo, ModelUnusable, RequestFailed
from engine.pressure import Step
from engine.prompt import MAX_NEAREST, fixed_indexes
from engine.skill import Memory, Skill, Takes, Unsure

WRONG_ON_OUR_SIDE = "Something went wrong on my side. Send it again in a moment."
NEW_CONVERSATION = "A new conversation: I no longer see what was said here before."
NOTHING_TO_FORGET = "I keep nothing that you said here."
STOPPED = "The model was stopped before the answer was whole. Send your message once more."
STOPPED_BY_PERSON = "(stopped)"
INTERRUPTED = "(interrupted)"
SEE_ABOVE = "(see above)"
CUT = "(Cut here: it reached the skill's max_tokens, or said the same again and again.)"
CUT_SHORT = "(Cut here: many messages are in line, so answers are shorter for now. Ask for the rest when it is quieter.)"
TOO_MANY_PRESSES = "That was a lot at once: I am still busy with what you pressed before. Wait a moment, then press once more."
IN_FILE = "The answer is long: all of it is in the file."
_SHOWN_VALUE_CHARACTERS = 60
_STORES = {".db": "database", ".zip": "backup"}
_DONE_WITH = {Right.USE: "use", Right.TEACH: "teach", Right.ADMIN: "manage"}


def sentence(error: BaseException) -> str:
    """What a person is told of an error: what is wrong, where, and what to do."""
    match error:
        case FileFaults():
            return "\n".join(map(str, error.faults))
        case ModelUnusable():
            return f"The model {error.model} cannot be used: {error.reason}. To mend it, {error.advice}."
        case StoreFailed():
            what = _STORES.get(Path(error.path).suffix, "data folder")
            return f"The {what} {error.path} cannot be used: {error.reason}. {error.advice}"
        case RequestFailed() | AnswerFailed():
            return _of_failure(error)
        case TeachingRefused():
            return error.reason
        case _:
            return _of_message(error)


def _of_message(error: BaseException) -> str:
    match error:
        case EmptyMessage(skill=None):
            return "There is nothing to answer. Write a message, or /help for what I can do."
        case EmptyMessage():
            return f"/{error.skill} needs a text: /{error.skill} followed by your text."
        case MessageTooLong():
            return (
                f"That message has {error.num_characters:,} characters and I read up to {error.max_characters:,}."
                " Send a shorter one."
            )
        case PromptTooLong():
            return (
                f"That message is too long for /{error.skill}: with its examples it takes {error.num_tokens:,} tokens"
                f" and {error.max_tokens:,} fit. Send a shorter one."
            )
        case UnknownCommand():
            nearest = f" Did you mean /{error.nearest}?" if error.nearest else ""
            return f"There is no skill called {_shown(error.name)}.{nearest} /skills lists them all."
        case NoDefaultSkill():
            return f"There is no skill {error.name}, which answers without a command. /skills lists those that are there."
        case _:
            return _of_input(error)


def _of_input(error: BaseException) -> str:
    match error:
        case MissingInput():
            return f"/{error.skill} needs {error.name}. Write it like this: {error.usage}"
        case BadInput():
            allowed = ", ".join(error.allowed[:20])
            return (
                f"/{error.skill} does not take {_shown(error.value)} for {error.name}. It takes: {allowed}."
            )
        case UnknownInput():
            nearest = f" Did you mean {error.nearest}?" if error.nearest else ""
            return f"/{error.skill} has no input called {_shown(error.name)}.{nearest}"
        case QueueFull():
            return _of_full_queue(error)
        case NotAllowed() | NotHere() | NotYours():
            return _of_refusal(error)
        case MissingRight() | TooManyFiles() | FileTooLarge() | FileNotText() | FileNotFetched():
            return _of_reading(error)
        case AnswerStopped() | MessageDeleted() | Superseded():
            return STOPPED_BY_PERSON
        case WaitedTooLong():
            return (
                f"It was not your turn within {_span(error.max_seconds)}: there is much to do right now."
                " Send your message again later; /queue says how long the line is."
            )
        case FirstTokenLate():
            return (
                f"The model did not begin to answer within {_span(error.max_seconds)}. Send your message once more,"
                " or a shorter one."
            )
        case AnswerLate():
            return f"The answer was not whole after {_span(error.max_seconds)}, so I stopped it. Ask for less at once."
        case AnswerCut():
            return (
                f"The answer of /{error.skill} did not fit into {error.max_tokens} tokens, so it would not be whole."
                " Send a shorter text, or raise max_tokens in the skill."
            )
        case AnswerLooped():
            return (
                f"The model said the same again and again for /{error.skill}, so the answer would not be whole."
                " Try other words, or give the skill more examples."
            )
        case PutAside():
            return (
                "The model's process stopped at this very message twice, so I have put it aside."
                " Say it in other words, and I will gladly answer."
            )
        case EmptyAnswer():
            return f"The model said nothing for /{error.skill}. Try other words, or give the skill more examples."
        case _:
            return WRONG_ON_OUR_SIDE


def _of_refusal(error: NotAllowed | NotHere | NotYours) -> str:
    if isinstance(error, NotYours):
        return "Only the person who asked, or an admin, can have this answered once more."
    if isinstance(error, NotHere):
        return f"/{error.skill} does not answer in this channel. /skills lists those that do."
    what = f" /{error.skill}" if error.skill else " me here" if error.right is Right.USE else ""
    return f"You may not {_DONE_WITH[error.right]}{what}. Whoever runs this bot can let you in."


def _of_reading(error: BaseException) -> str:
    match error:
        case MissingRight():
            return (
                f"I may not read this conversation: I lack the right {error.right}."
                " Whoever runs this place can give it to me."
            )
        case TooManyFiles(max_files=0):
            return "I read no files. Send the text itself."
        case TooManyFiles():
            return f"I read up to {_count(error.max_files, 'file')} with a message. Send fewer."
        case FileTooLarge():
            return f"{_shown(error.name)} is too large: I read files up to {_size(error.max_bytes)}."
        case FileNotText():
            return f"{_shown(error.name)} is no text file, and I read text only: text, markdown, csv, logs and code."
        case FileNotFetched():
            return f"{_shown(error.name)} could not be fetched. Send it again in a moment."
        case _:
            return WRONG_ON_OUR_SIDE


def _size(num_bytes: int) -> str:
    if num_bytes >= 1_000_000:
        return f"{num_bytes / 1_000_000:g} MB"
    return f"{num_bytes / 1000:g} KB" if num_bytes >= 1000 else _count(num_bytes, "byte")


def _of_full_queue(error: QueueFull) -> str:
    waiting = "message waits" if error.max_waiting == 1 else "messages wait"
    first = _first_in_line(error.first)
    match error.whose:
        case Whose.PERSON if error.max_waiting == 0:
            return "You have as many answers under way as you may. Wait for one of them."
        case Whose.PERSON:
            return (
                f"{error.max_waiting} {waiting} for you already{first}. Wait for one of them to be answered."
            )
        case Whose.CHANNEL:
            return f"{error.max_waiting} {waiting} in this channel already{first}. Try again in a minute, or write to me elsewhere."
        case Whose.WORKSPACE:
            return f"{error.max_waiting} {waiting} in this workspace already{first}. Try again in a minute."
        case Whose.EVERYBODY:
            return f"{error.max_waiting} {waiting} already{first}. Try again in a minute."


def _first_in_line(first: Waiting | None) -> str:
    """When there will be room, where that is known."""
    return "" if first is None else f", the first of them {_place(first)}"


def _span(seconds: float) -> str:
    """`600` is `10 minutes`."""
    if seconds >= 120 and seconds % 60 == 0:
        return f"{seconds / 60:g} minutes"
    return "1 second" if seconds == 1 else f"{seconds:g} seconds"


def _of_failure(error: RequestFailed | AnswerFailed) -> str:
    if isinstance(error, AnswerFailed):
        return error.reason
    match error.code:
        case FailureCode.WORKER_DIED:
            return "The model's process stopped in the middle. It is being started again: send your message once more."
        case FailureCode.BAD_LOGITS | FailureCode.DECODE_FAILED:
            return "The model failed while it computed this answer. Send your message once more."
        case FailureCode.PUT_ASIDE:
            return "The model's process stopped at this twice, so it was put aside."
        case FailureCode.BAD_CONSTRAINT:
            return (
                f"This skill cannot be used with this model: {error.detail}. `understudy check` may say more."
            )
        case _:
            return f"That message is too long: {error.num_tokens:,} tokens, and {error.max_tokens:,} fit."


def does_not_fit(skill: str) -> str:
    return f"The answer of /{skill} does not fit its output schema. Send it again, or give the skill more examples."


def _shown(value: str) -> str:
    short = value if len(value) <= _SHOWN_VALUE_CHARACTERS else value[:_SHOWN_VALUE_CHARACTERS] + "…"
    return f'"{short}"'


def waiting(place: int, seconds: float | None) -> str:
    """Said while a message waits."""
    line = "You are next" if place == 1 else f"You are number {place} in line"
    return f"{line}{_about(seconds)}."


def _about(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f", about {max(1, round(seconds))} s" if seconds < 120 else f", about {round(seconds / 60)} min"


def unsure(guess: str, command: str) -> str:
    """Instead of an answer to what is far from everything taught. `command` teaches it."""
    return f"I don't know this one yet. My best guess: {guess}. Teach me the right answer: `{command}`"


def unsure_when(skill: Skill) -> str:
    """When a skill that chooses says that it does not know, for `skills show`."""
    match skill.unsure_below:
        case Unsure.AUTO:
            return "when a message is far from everything that it was taught (from 16 examples on)"
        case Unsure.NEVER:
            return "never said"
        case below:
            return f"below a probability of {100 * below:g} %"


def examples_read(skill: Skill) -> str:
    """Which of its examples the model reads, for `skills show`."""
    number, fixed = len(skill.examples), fixed_indexes(skill)
    first = len(fixed)
    if first == number:
        return "all are read for every message" if number else "none"
    which = f"the first {first}" if fixed == tuple(range(first)) else f"{first} (the pinned ones first)"
    if skill.is_chosen:
        return f"{which} of {number} stand in the prompt; all {number} decide what an answer is"
    if skill.is_cut_out:
        return f"all {number} decide which words of a message are the answer; while they are few, the model writes it"
    if skill.has_spans:
        return f"{which} of {number} are read, of the others the {MAX_NEAREST} nearest; all {number} decide which words are cut out"
    if skill.memory is Memory.CONVERSATION:
        return f"{which} of {number} are read; the others are too many for a skill that converses"
    return f"{which} of {number} are read for every message, of the others the {MAX_NEAREST} nearest to it"


def queue_text(view: QueueView) -> str:
    """The answer to /queue."""
    lines = [
        f"{_count(view.num_running, 'answer')} being written, of {view.num_slots} at a time.",
        _line_length(view),
        _pace(view.answer_seconds),
        *([_left_out(view.pressure)] if view.pressure else []),
        _own(view),
    ]
    return "\n".join(f"- {line}" for line in lines)


def _line_length(view: QueueView) -> str:
    line = f"{_count(view.num_waiting, 'message')} in line" if view.num_waiting else "Nobody waits"
    oldest = f", the oldest for {round(view.oldest_wait_seconds)} s" if view.num_waiting else ""
    behind = f"; {view.num_waiting_background} more in the background" if view.num_waiting_background else ""
    return f"{line}{oldest}{behind}."


def _pace(answer_seconds: float | None) -> str:
    if answer_seconds is None:
        return "How long an answer takes is not measured yet."
    return f"An answer takes about {max(1, round(answer_seconds))} s."


def _own(view: QueueView) -> str:
    running = [f"{view.num_own_running} being answered"] if view.num_own_running else []
    places = [_place(one) for one in view.own_waiting]
    return f"Yours: {'; '.join(running + places) or 'none'}."


def _left_out(step: Step) -> str:
    """What is done without for now; it comes back by itself."""
    parts = [words for rung, words in _WITHOUT.items() if rung <= step]
    return f"There is much to do. For now, {_listed(parts)}."


_WITHOUT: Mapping[Step, str] = {
    Step.FINAL_ONLY: "answers come in one piece",
    Step.SHORTER: "texts are shorter",
    Step.NO_BACKGROUND: "nothing is measured or read ahead",
    Step.REFUSING: "who comes new is asked to come again",
    Step.READ_ONLY: "nothing new is kept",
}


def _listed(parts: Sequence[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _place(waiting: Waiting) -> str:
    return f"number {waiting.place} in line{_about(waiting.seconds)}"


COMMANDS: Mapping[BuiltIn, str] = {
    BuiltIn.HELP: "What I can do, and how",
    BuiltIn.SKILLS: "All my skills",
    BuiltIn.NEW: "Begin a new conversation: forget what was said here",
    BuiltIn.FORGET: "Delete what you said to me",
    BuiltIn.QUEUE: "How many messages are in line, and where yours are",
    BuiltIn.TEACH: "Teach a skill by an example",
    BuiltIn.PROPOSALS: "What waits to be taught",
    BuiltIn.ACCEPT: "Teach what somebody proposed",
    BuiltIn.DROP: "Let a proposal go",
    BuiltIn.UNDO: "Take back what a skill was taught last",
    BuiltIn.SKILL: "Make a new skill",
    BuiltIn.WHY: "Why the last answer here was chosen",
    BuiltIn.CURVE: "Draw how right a skill is with ever more examples",
    BuiltIn.TEST: "How often a skill is right, by its own examples",
}
"""The bot's own, as a platform's menu of commands shows them."""

HELP_ARGUMENT = "The command you want to know about"
ARGUMENTS: Mapping[BuiltIn, str] = {
    BuiltIn.TEACH: "SKILL what is said => the right answer",
    BuiltIn.PROPOSALS: "all: those of other channels too",
    BuiltIn.ACCEPT: "The number of the proposal",
    BuiltIn.DROP: "The number of the proposal",
    BuiltIn.UNDO: "The skill; without it, what was taught last here",
    BuiltIn.SKILL: "new NAME, and lines: mention me for those",
    BuiltIn.CURVE: "The skill",
    BuiltIn.TEST: "The skill",
}
"""What these take as one text, as such a menu asks for it."""


def help_text(skills: Sequence[Skill], default_skill: str) -> str:
    """The answer to /help."""
    lines = [
        "Write to me, or call a skill: `/triage it burns`, `!triage it burns` or `triage: it burns`.",
        "",
        *_skill_lines(skills),
        "",
        f"Without a command, `{default_skill}` answers. `/help NAME` shows one skill.",
        "`/new` begins a conversation anew, `/forget` deletes what you said.",
        "`/queue` says how many messages are in line, and where yours are.",
        "`/teach SKILL what is said => the right answer` teaches a skill, `/undo SKILL` takes that back,",
        "`/skill new` makes one, `/proposals` lists what waits to be taught, `/test SKILL` says how often a skill is right,",
        "`/curve SKILL` draws that with ever more examples. `/why` says why the last answer here was chosen.",
    ]
    return "\n".join(lines)


def skills_text(skills: Sequence[Skill]) -> str:
    """The answer to /skills."""
    return (
        "\n".join(_skill_lines(skills)) or "There are no skills yet. Put a YAML file into the folder skills."
    )


def _skill_lines(skills: Sequence[Skill]) -> list[str]:
    return [f"- `/{skill.name}` {skill.description}" for skill in skills]


def skill_text(skill: Skill) -> str:
    """The answer to /help NAME: how it is called, what it takes, and one example."""
    lines = [f"**/{skill.name}** {skill.description}", "", f"`{usage(skill)}`"]
    for one in skill.inputs:
        if one.choices:
            lines.append(f"- `{one.name}`: {one.description} ({', '.join(one.choices)})")
        elif len(skill.inputs) > 1:
            lines.append(f"- `{one.name}`: {one.description}")
    if skill.takes is Takes.CONVERSATION:
        lines.append("Without a text in a thread, it is given the thread.")
    if skill.choices:
        lines.append(f"It answers one of: {', '.join(skill.choices)}.")
    if skill.examples:
        example = skill.examples[0]
        lines += ["", "For example:", f"> {' · '.join(example.inputs.values())}", "", example.output]
    return "\n".join(lines)


def left_out(number: int) -> str:
    """Under an answer that was given a part of a conversation."""
    return f"({_count(number, 'older message')} had no room.)"


def welcome(skills: Sequence[Skill], default_skill: str) -> str:
    """Said once, when the bot is added to a channel."""
    lines = ["Hello! Mention me to ask something, or call a skill by its command:", "", *_skill_lines(skills)]
    if any(skill.name == default_skill for skill in skills):
        lines += ["", f"Without a command, `{default_skill}` answers. `/help` tells the rest."]
    return "\n".join(lines)


def forgotten(what: Forgotten) -> str:
    """The answer to /forget."""
    if what == Forgotten(0, 0, 0):
        return NOTHING_TO_FORGET
    parts = []
    if what.num_messages:
        pronoun = "it" if what.num_messages == 1 else "them"
        parts.append(
            f"{_count(what.num_messages, 'message')} of yours and my answers to {pronoun}, "
            f"from {_count(what.num_conversations, 'conversation')}"
        )
    if what.num_waiting:
        parts.append(f"{_count(what.num_waiting, 'message')} of yours that had no answer yet")
    return f"Deleted {'; and '.join(parts)}."


def messages(number: int) -> str:
    """`1` is `1 message`."""
    return _count(number, "message")


def put_aside(number: int, *, is_cleared: bool) -> str:
    """What `understudy put-aside` says."""
    if not number:
        return "No message is put aside."
    if is_cleared:
        return f"{_count(number, 'message')} may be tried again."
    return (
        f"{_count(number, 'message')} put aside: the model's process died of each of them twice. They are let go after a week,"
        " or with another model; `understudy put-aside --clear` lets them be tried again now."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# What the one who runs it reads


def engine_line(info: ModelInfo) -> str:
    """Said once at the start: what the model was given."""
    answers = f"{_count(info.num_slots, 'answer')} at a time, of {info.context_tokens:,} tokens each"
    return f"{answers}{_shrunk(info)}; {cache_text(info)}."


def _shrunk(info: ModelInfo) -> str:
    """Where there was no memory for what was planned."""
    planned = info.planned_context_tokens
    return f" (there was no memory for {planned:,})" if planned > info.context_tokens else ""


def cache_text(info: ModelInfo) -> str:
    flash = "with" if info.has_flash_attention else "without"
    return f"KV cache {info.cache_type}, {size(info.cache_bytes)}, {flash} flash attention"


def size(num_bytes: int) -> str:
    """`94_000_000` is `94 MB`."""
    if num_bytes < 1_000_000:
        return f"{num_bytes / 1000:.0f} kB"
    return f"{num_bytes / 1e6:.0f} MB" if num_bytes < 1_000_000_000 else f"{num_bytes / 1e9:.1f} GB"


def answers_under_way(number: int, seconds: float) -> str:
    """Said when the bot is to end."""
    whole = "is brought to its end" if number == 1 else "are brought to their end"
    return f"{_count(number, 'answer')} {whole}, for up to {_span(seconds)}; what is left is answered after the next start."


def work_line(work: Work) -> str:
    """Said now and then while there is something to do."""
    parts = [f"{work.num_running} being answered" if work.num_running else "nothing being answered"]
    if work.num_waiting:
        parts.append(f"{work.num_waiting} in line (oldest {work.oldest_wait_seconds:.0f} s)")
    ended = {"answered": work.num_answered, "refused": work.num_refused, "failed": work.num_failed}
    parts += [f"{number} {word}" for word, number in ended.items() if number]
    if work.first_token_seconds is not None:
        parts.append(f"first word after {_short(work.first_token_seconds)} s")
    if work.tokens_per_second is not None:
        parts.append(f"{_short(work.tokens_per_second)} tokens/s")
    line = ", ".join(parts)
    more = f" {_left_out(work.pressure)}" if work.pressure else ""
    return f"{line[0].upper()}{line[1:]}.{more}"


def _short(value: float) -> str:
    """One decimal where it says something."""
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


# The database: each a reason (one clause) and an advice


def place_unusable(reason: str) -> tuple[str, str]:
    return reason.lower(), "Make the folder writable for this user, or set `data_dir` in config.yaml."


def database_closed() -> tuple[str, str]:
    return "it is closed", "The bot is shutting down; start it again."


def database_newer() -> tuple[str, str]:
    return "a newer version of Understudy wrote it", "Install that version, or set another `data_dir`."


def database_of_another() -> tuple[str, str]:
    return "it belongs to another program", "Move it away, or set another `data_dir` in config.yaml."


def database_failure(name: str, detail: str) -> tuple[str, str]:
    """`name` is SQLite's own, as in `SQLITE_FULL`."""
    known = {
        "SQLITE_FULL": ("the disk is full", "Free some space; it goes on by itself."),
        "SQLITE_BUSY": ("another program holds it", "Close what else has it open: one bot a folder."),
        "SQLITE_LOCKED": ("another program holds it", "Close what else has it open: one bot a folder."),
        "SQLITE_READONLY": ("it cannot be written", "Make file and folder writable for this user."),
        "SQLITE_CANTOPEN": (
            "it cannot be opened",
            "Make file and folder readable and writable for this user.",
        ),
        "SQLITE_CORRUPT": (
            "it is damaged",
            "Start the bot again: it moves the file aside and goes on with the newest backup.",
        ),
        "SQLITE_IOERR": (
            "the disk failed or is full",
            "Check the disk, or free some space; it goes on by itself.",
        ),
    }
    found = (answer for start, answer in known.items() if name.startswith(start))
    return next(found, (detail, "Start the bot again."))


def damaged_database(path: Path, moved: Path) -> str:
    return (
        f"The database {path} was damaged. It is kept as {moved.name}; the bot begins with an empty one "
        "and remembers nothing of before."
    )


def restored_database(path: Path, moved: Path, backup: str) -> str:
    return (
        f"The database {path} was damaged. It is kept as {moved.name}; the bot goes on with the backup {backup} "
        "and remembers nothing of after it."
    )


def restored_empty_database(path: Path, backup: str) -> str:
    return f"The database {path} was an empty file. The bot goes on with the backup {backup} and remembers nothing of after it."


def empty_database(path: Path) -> str:
    return f"The database {path} was an empty file. The bot begins with a new one and remembers nothing of before."


def disk_trouble(reason: str) -> str:
    """What the bot says to who runs it. `reason` is one clause."""
    return f"Nothing can be kept: {reason}. Messages are refused until there is room again; it goes on by itself."


def disk_well_again() -> str:
    return "Messages can be kept again."


def swept(num_rows: int) -> str:
    return f"{num_rows:,} old entries of the database were let go (`retention:` in config.yaml)."


# The terminal


class TerminalWord(StrEnum):
    """What the chat on a screen says beside the answers."""

    IS_STARTER = "This is the 135M starter model: it shows how everything works, and it is often wrong."
    IS_BETTER = "A better one is one line in config.yaml:"
    TRY = "Try:"
    HOW_TO_GO_ON = "/help tells the rest. Ctrl-C stops an answer, Ctrl-D ends."
    HOW_TO_END = "Ctrl-D or /quit ends."
    STOPPED = "Stopped."
    PROPOSALS_ELSEWHERE = "Those of this chat. What people propose in Slack or Discord is decided there."


# Slack: what stands on its buttons, in its windows and on its home tab


class SlackWord(StrEnum):
    """Short enough for where they stand: 24 characters in a window's title and on its buttons, 75 elsewhere."""

    APP = "Understudy"
    GOOD = "Good answer"
    NOT_GOOD = "Say what is right"
    AGAIN = "Again"
    STOP = "Stop"
    RETRY = "Try again"
    TRY = "Try"
    RUN = "Run"
    PROPOSE = "Teach"
    WHY = "Why?"
    TEACH_ME = "Teach me"
    ACCEPT = "Accept"
    EDIT = "Edit"
    DROP = "Drop"
    SAVE = "Save"
    EDIT_TITLE = "Edit a proposal"
    CANCEL = "Cancel"
    CLOSE = "Close"
    SKILL = "Skill"
    USE_SHORTCUT = "Use a skill on this…"
    USE_TITLE = "Use a skill"
    TEACH_SHORTCUT = "Teach from this…"
    TEACH_TITLE = "Teach a skill"
    CORRECT_TITLE = "The right answer"
    RIGHT_ANSWER = "What should the answer have been?"
    ANSWER_SHOULD_BE = "What should the answer be?"
    HOME_TITLE = "What I can do"
    HOME_INTRO = (
        "Mention me in a channel, write to me under *Messages*, or call a skill by its name. "
        "I run on your own machine, and I learn from examples."
    )
    HOME_PROPOSALS = "Being taught"
    HOME_HEALTH = "For admins"
    THINKING = "is thinking…"
    STATUS_WAITS = "has other answers to write first…"
    LOADING_READS = "Reading your message…"
    LOADING_WRITES = "Thinking about the answer…"
    THANKS_GOOD = "Thank you. I will remember that this was a good answer."
    NO_ANSWER_THERE = "I do not remember this answer any more."
    NO_SKILLS = "There are no skills yet."
    NOT_FOR_YOU = "You may not use this skill here."
    NEEDS_TEXT = "There is nothing here yet."
    NOT_YOURS_TO_STOP = "Only the person who asked, or an admin, can stop this answer."
    NOT_READ = "Slack did not give me the whole message. Press the button once more."
    TAKES_LONGER = "This takes a moment. I will tell you here."
    PROMPTS_TITLE = "Try one of these"


def numbered(word: str, number: int, *, is_one_of_many: bool) -> str:
    """On a button: which proposal it decides, where that is not plain."""
    return f"{word} {number}" if is_one_of_many else str(word)


SLACK_AGENT_DESCRIPTION = (
    "Answers with a model on your own machine, in the skills that your team has taught it. "
    "Mention it, write to it here, or call a skill by its name."
)
SLACK_ALL_COMMANDS = "Every skill, and help, skills, new, forget, queue, teach, undo, test"
SLACK_ONLY_YOU = "I am not in this channel, so only you will see my answer. With `/invite @Understudy` I can answer in a thread."
SLACK_TOO_LONG = "(The rest does not fit here: invite me to this channel, or ask in a direct message.)"


def slack_not_member() -> str:
    """Said to somebody who wants an answer where the bot is not."""
    return "I am not in this channel. `/invite @Understudy` lets me answer here."


def skill_shown_left_out(left_out: Mapping[str, str]) -> str:
    """On the home tab: which skills have no slash command of their own."""
    names = ", ".join(f"{name} ({reason})" for name, reason in left_out.items())
    return f"Without a slash command of their own, called by /understudy NAME: {names}"


def slack_manifest_news(names: Sequence[str]) -> str:
    """Told to the admins once: skills that have no slash command yet."""
    listed = ", ".join(f"`/{name}`" for name in names)
    return (
        f"New skills have no slash command yet: {listed}. They work at once by a mention, `!name` and `/understudy name`."
        " For the slash command, run `understudy slack-manifest` and paste what it prints under App Manifest on"
        " https://api.slack.com/apps, or run `understudy slack-manifest --push` with SLACK_CONFIG_TOKEN and SLACK_APP_ID."
    )


def slack_push_failed(reason: str, details: Sequence[str]) -> str:
    """Slack did not take the app's new manifest; `reason` is Slack's own name for it."""
    if reason in ("not_authed", "invalid_auth", "token_expired", "token_revoked", "not_allowed_token_type"):
        advice = (
            "SLACK_CONFIG_TOKEN is no good any more (such a token lasts twelve hours): generate a new one under"
            " Your App Configuration Tokens on https://api.slack.com/apps."
        )
    elif reason in ("app_not_found", "invalid_app_id", "no_permission"):
        advice = "SLACK_APP_ID is the App ID on the app's page Basic Information, and the token's owner must own the app."
    else:
        advice = (
            " ".join(details) or "Print the manifest with `understudy slack-manifest` and paste it by hand."
        )
    return f"Slack did not take the manifest ({reason}). {advice}"


def slack_pushed(*, is_reinstall_needed: bool) -> str:
    """Said after `slack-manifest --push`."""
    if is_reinstall_needed:
        return "Slack has the manifest of these skills. The app's rights have changed: reinstall it under Install App."
    return "Slack has the manifest of these skills."


SLACK_PUSH_NEEDS = "--push needs SLACK_CONFIG_TOKEN and SLACK_APP_ID, in the environment or in .env. docs/slack.md says how to get them."


# Discord: what stands on its buttons, in its menus and in its windows


class DiscordWord(StrEnum):
    """Short enough for where they stand: 32 characters in a menu, 45 in a window's title and labels, 80 on a button."""

    GOOD = "Good"
    NOT_GOOD = "Not good"
    AGAIN = "Again"
    STOP = "Stop"
    RETRY = "Try again"
    FILL_IN = "Fill in the rest"
    USE = "Use a skill on this"
    TEACH = "Teach from this"
    FILE_OPTION = "A text file to read instead of a text, or beside it"
    SKILL = "Skill"
    CHOOSE_SKILL = "Choose a skill"
    TEXT = "Text"
    RIGHT_TITLE = "The right answer"
    RIGHT_ANSWER = "What should I have answered?"
    TEACH_QUESTION = "When somebody writes this"
    TEACH_ANSWER = "I should answer this"
    RATED_GOOD = "Thank you, noted."
    RATED_NOT_GOOD = "Noted. I do not remember enough of this to be told the right answer."
    WHY = "Why?"
    TEACH_ME = "Teach me"
    ACCEPT = "Accept"
    EDIT = "Edit"
    DROP = "Drop"
    EDIT_TITLE = "Edit a proposal"
    NOT_YOURS_TO_STOP = "Only who asked can stop this answer."
    NOTHING_TO_STOP = "This answer has ended already."
    NOT_KNOWN = "I do not remember this answer any more."
    NO_SKILL_HERE = "There is no skill that you may use here."
    GOES_ON_BELOW = "(The answer goes on below.)"
    FORM_GONE = "I do not remember what this belongs to. Please begin once more."


def discord_more_inputs(skill: str, names: Sequence[str]) -> str:
    return f"`/{skill}` also takes {', '.join(f'`{name}`' for name in names)}."


def discord_reads(*, is_everything: bool) -> str:
    """Which of the two ways of listening is on."""
    if is_everything:
        return "the Message Content intent is on: conversations go on without a mention."
    return (
        "the Message Content intent is off: mentions, replies with the ping on and direct messages are heard."
    )


def thread_name(text: str) -> str:
    """Of a thread that the bot opens for a conversation; Discord takes 100 characters."""
    line = " ".join(text.split()) or "A question"
    return line if len(line) <= 80 else f"{line[:79].rstrip()}…"
