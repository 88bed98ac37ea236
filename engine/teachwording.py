"""What the bot says when something cannot be taught, beside `wording`: why, and what to do next. Knows no store and no file."""

from collections.abc import Sequence

HOW_TO_TEACH = "Write it like this: `/teach SKILL what is said => the right answer`. For several lines, put the `=>` on a line of its own."
MORE_ARROWS = (
    "There is more than one `=>`, so I cannot tell what is said from the right answer. Put the one that parts them on a line"
    " of its own."
)
HOW_TO_MAKE = """\
A new skill is one message: its name, what it does, and at least two examples, each on a line of its own.
```
/skill new mood
Is this message happy or grumpy?
choices: happy, grumpy
Best release so far => happy
The build is broken again => grumpy
```
The line `choices:` may be left out: then the skill answers with any text."""
NEEDS_NUMBER = "Say which: `/accept 7` or `/drop 7`. `/proposals` lists them."
DONE_ALREADY = "This was done already."
NOTHING_TAUGHT = "Nothing was taught here that could be taken back. `/undo SKILL` names the skill."


def cannot_be_written(path: str) -> str:
    return (
        f"{path} is written in a way in which I cannot do this without touching more of it, so I left it alone."
        " Change the file by hand."
    )


def cannot_write(path: str, reason: str) -> str:
    return (
        f"{path} cannot be written ({reason}), so nothing was changed. Whoever runs this bot can mend that."
    )


def cannot_be_noted(reason: str) -> str:
    why = f" ({reason})" if reason else ""
    return (
        f"Nothing can be written just now{why}, so nothing was changed. Whoever runs this bot can mend that."
    )


def file_never_rests(path: str) -> str:
    return f"{path} is being saved again and again, so I left it alone. Try once more in a moment."


def file_is_gone(path: str) -> str:
    return f"{path} is not there any more, so nothing was changed."


def not_json(skill: str) -> str:
    return f"/{skill} answers with JSON, and what stands behind the `=>` is none. Write it as JSON."


def no_choice(skill: str, answer: str, choices: Sequence[str]) -> str:
    short = answer if len(answer) <= 60 else f"{answer[:60]}…"
    return f'/{skill} cannot answer "{short}". It answers one of: {", ".join(choices[:20])}.'


def taught_already(skill: str) -> str:
    return f"/{skill} has been taught this already."


def skill_is_there(name: str) -> str:
    return f"There is a skill {name} already. Teach it with `/teach {name} what is said => the right answer`."


def nothing_to_undo(name: str) -> str:
    return f"Nothing that I wrote into /{name} is left to be taken back."


def changed_since(name: str, *, num_examples: int) -> str:
    if num_examples == 1:
        what = "What was taught last was changed by hand since, or is not there any more"
    else:
        what = f"{num_examples} examples were taught at once, and the file was changed since"
    return f"{what}, so I left {name}.yaml alone. `understudy skills history {name}` shows what it was."


def no_such_proposal(number: int) -> str:
    return f"There is no proposal {number}. `/proposals` lists those that are open."


def decided(number: int, *, is_accepted: bool) -> str:
    return f"Proposal {number} was {'accepted' if is_accepted else 'dropped'} already."


def over_share(name: str, skill: str, num_taught: int, num_examples: int) -> str:
    who = name or "Its author"
    return (
        f"{who} has taught {num_taught} of the {num_examples} examples of /{skill}, and that is as much as one person may,"
        " so that it does not become the bot of one. An admin may accept it all the same."
    )


def makes_worse(skill: str, before: float, after: float, num_items: int) -> str:
    return (
        f"This would make /{skill} measurably worse: {100 * before:.0f} % -> {100 * after:.0f} % on {num_items} items."
        " An admin may accept it all the same."
    )


def not_committed(reason: str) -> str:
    return f"There is no git commit of it: {reason}."


def commit(skill: str, deed: str) -> str:
    """The message of a commit: no person is named in it."""
    what = {
        "taught": "learns an example",
        "undone": "forgets what it learned last",
        "created": "is a new skill",
    }
    return f"{skill} {what[deed]}"
