"""What the bot shows of what was taught, proposed and taken back: with its lines of YAML as a diff. Knows no store."""

import re
from collections.abc import Sequence

from engine.effect import MIN_ITEMS, Effect, Tendency
from engine.feedback import KeptProposal
from engine.likeness import Alike, Kinship
from engine.shelf import Written
from engine.skill import Example
from engine.suggestions import Suggested
from engine.teaching import Held, Preview

_MAX_DIFF_LINES = 40
_MAX_CHARACTERS = 200
_ON_TEACHING = ("It is better with it.", "It takes an admin.")
_ON_UNDOING = ("It is better without it.", "It was better with it.")
_WORDS = {
    Kinship.SAME: "is the same",
    Kinship.CONTRADICTION: "contradicts it: the same message, another answer",
    Kinship.NEAR_CONTRADICTION: "may contradict it: nearly the same message, another answer",
    Kinship.NEAR: "is nearly the same",
}


def taught(written: Written) -> str:
    name = written.new.name
    lines = [
        f"Taught. The next answer of `/{name}` knows it.",
        fenced(written.diff),
        *effect_lines(written.effect),
        f"`/undo {name}` takes it back.",
    ]
    return _with_warning(lines, written)


def undone(written: Written) -> str:
    lines = [f"Taken back from `/{written.new.name}`.", fenced(written.diff)]
    return _with_warning([*lines, *effect_lines(written.effect, _ON_UNDOING)], written)


def created(written: Written, num_examples: int) -> str:
    name = written.new.name
    lines = [
        f"`/{name}` is there, with {num_examples} examples. Try it: `/{name} ...`",
        fenced(written.diff, "yaml"),
        f"`/teach {name} what is said => the right answer` teaches it more.",
    ]
    return _with_warning(lines, written)


def held(one: Held, skill: str) -> str:
    """Why it is not taught yet, and whose word it waits for."""
    if one.may_decide:
        first, last = (
            "Look at this first; nothing is taught yet.",
            f"`/accept {one.number}` teaches it all the same, `/drop {one.number}` lets it go.",
        )
    else:
        first, last = (
            f"Thank you. I keep it as proposal {one.number} for `/{skill}`.",
            "It is taught when somebody who may has accepted it.",
        )
    return "\n".join([first, *remarks(one.preview), fenced(one.preview.diff), last])


def remarks(preview: Preview) -> list[str]:
    lines = [f"- {_alike(one)}" for one in preview.alike]
    if preview.share is not None:
        share = preview.share
        lines.append(
            f"- Its author has taught {share.num_taught} of the {share.num_examples} examples, which is as much as one"
            " person may: it takes an admin."
        )
    return [*lines, *(f"- {line}" for line in effect_lines(preview.effect))]


def effect_lines(effect: Effect, endings: tuple[str, str] = _ON_TEACHING) -> list[str]:
    """What an example does to the skill; nothing where nobody asked. `endings`: what follows from better, and from worse."""
    said = _measured(effect, *endings)
    return [*([said] if said else []), *([_surprise(effect)] if effect.is_surprising else [])]


def file_makes_worse(name: str, effect: Effect) -> str:
    """Why none of a file's examples is taught."""
    return (
        f"This file would make /{name} measurably worse: {_figures(effect)} (p = {effect.p:.2g}). Nothing was taught. It takes"
        " an admin's word: `--even-if-worse` teaches it all the same."
    )


def _measured(effect: Effect, on_better: str, on_worse: str) -> str:
    figures = _figures(effect)
    match effect.tendency:
        case Tendency.BETTER:
            return f"Measured: {figures} (p = {effect.p:.2g}). {on_better}"
        case Tendency.SAME:
            return f"Measured: no measurable change ({figures})."
        case Tendency.WORSE:
            since = " since the examples before it" if effect.is_gradual else ""
            return f"Measured: **worse**, {figures} (p = {effect.p:.2g}){since}. {on_worse}"
        case Tendency.TOO_FEW:
            return f"Not measured: too few examples for that, {effect.num_items}; from {MIN_ITEMS} on I say what one does."
        case Tendency.NO_CHECKS:
            return (
                f"Not measured: with {MIN_ITEMS} `checks` or more in its file I can say what an example does."
            )
        case Tendency.NO_TIME:
            return (
                "Not measured: the model is not done reading the examples. `/test` says later how good it is."
            )
        case Tendency.NO_MODEL:
            return ""


def _figures(effect: Effect) -> str:
    return f"{_figure(effect.before, effect)} -> {_figure(effect.after, effect)} on {effect.num_items} items"


def _figure(share: float, effect: Effect) -> str:
    return f"chrF {100 * share:.0f}" if effect.is_text else f"{100 * share:.0f} %"


def _surprise(effect: Effect) -> str:
    said = list(dict.fromkeys(one.example.output for one in effect.nearest))
    number = len(effect.nearest)
    if number > 1 and len(said) == 1:
        return f"A surprise: the {number} taught examples nearest to it say `{_line(said[0])}`."
    if not said:
        return "A surprise: what was taught so far speaks against it."
    listed = "; ".join(f"example {one.number}: {_pair(one.example)}" for one in effect.nearest)
    return f"A surprise: what was taught so far speaks against it. Nearest are {listed}."


def proposals(
    listed: Sequence[tuple[KeptProposal, Preview | str]], num_left_out: int = 0, num_elsewhere: int = 0
) -> str:
    """Each with what it would change, or why it cannot be taught; of several, long lines are cut. `num_left_out` wait behind them.

    `num_elsewhere` were proposed in other channels, and are not shown in this one.
    """
    elsewhere = _of_other_channels(num_elsewhere)
    if not listed:
        return "\n".join(
            ["Nothing waits to be taught." if not elsewhere else "Nothing of this channel waits.", *elsewhere]
        )
    parts = []
    for kept, preview in listed:
        who = f", by {_line(kept.proposal.author.name)}" if kept.proposal.author.name else ""
        parts.append(f"**{kept.number}** for `/{kept.proposal.skill}`{who}")
        if isinstance(preview, str):
            parts.append(preview)
        else:
            parts += [
                *remarks(preview),
                fenced(preview.diff if len(listed) == 1 else _cut_lines(preview.diff)),
            ]
    if num_left_out:
        parts.append(f"And {num_left_out} more, once these are decided.")
    parts.append(
        "`/accept N` teaches one, `/accept N => another answer` with that answer, `/drop N` lets it go."
    )
    return "\n".join([*parts, *elsewhere])


def _of_other_channels(number: int) -> list[str]:
    if not number:
        return []
    what = "1 proposal was made" if number == 1 else f"{number} proposals were made"
    return [f"{what} in other channels; `/proposals all` shows them here, to everybody who reads this."]


def suggested(found: Sequence[Suggested]) -> str:
    """The messages that the bot was least sure of, each as the command that answers it."""
    lines = [
        "Of these messages here I was least sure. Send a line back with the right answer, and I learn it:"
    ]
    for one in found:
        lines += [f"`/{one.skill}`, {100 * one.probability:.0f} % sure:", fenced(one.command, "")]
    return "\n".join(lines)


def _cut_lines(diff: str) -> str:
    """Of many, none hides the others."""
    return "\n".join(
        line if len(line) <= _MAX_CHARACTERS else f"{line[:_MAX_CHARACTERS]}…" for line in diff.splitlines()
    )


def dropped(kept: KeptProposal) -> str:
    return f"Proposal {kept.number} for `/{kept.proposal.skill}` is dropped."


def offer(skill: str, command: str) -> str:
    """Under a correction: never taught by itself."""
    return f"To teach `/{skill}` that, send:\n{fenced(command, '')}"


def fenced(text: str, language: str = "diff") -> str:
    """A block that no line of `text` can end."""
    lines = text.splitlines()
    if len(lines) > _MAX_DIFF_LINES:
        left_out = len(lines) - _MAX_DIFF_LINES
        lines = [*lines[:_MAX_DIFF_LINES], f"... {left_out} more lines"]
    fence = "`" * max(3, 1 + max((len(found) for found in re.findall("`+", text)), default=0))
    return "\n".join([f"{fence}{language}", *lines, fence])


def _alike(one: Alike) -> str:
    return f"Example {one.number} {_WORDS[one.kinship]}: {_pair(one.example)}"


def _pair(example: Example) -> str:
    return f"{_line(' · '.join(example.inputs.values()))} => {_line(example.output)}"


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_CHARACTERS else f"{line[:_MAX_CHARACTERS]}…"


def _with_warning(lines: list[str], written: Written) -> str:
    return "\n".join([*lines, written.warning] if written.warning else lines)
