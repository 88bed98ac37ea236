"""What buttons and windows do in Slack: rate, ask again, stop, use a skill. Knows no SDK and no Block Kit.

Each press is checked again: what was shown once says nothing about what a person may do now.
"""

from collections.abc import Mapping
from dataclasses import replace

from bots import slack_blocks
from bots.intake import told_of
from bots.slack_answers import Answers, Workspace
from bots.slack_blocks import Dialog
from bots.slack_controls import Action, Rating
from bots.slack_events import SlackAddress, message_id, opening, readable
from bots.slack_interactions import Pressed, Shortcut, Submitted, Target
from bots.slack_lessons import Lessons
from bots.slack_windows import NotRead, Windows
from engine import (
    TOO_MANY_PRESSES,
    Author,
    Message,
    Platform,
    QueueFull,
    Right,
    Scope,
    Skill,
    SlackWord,
    UnderstudyError,
    Verdict,
    sentence,
)


class Dialogs:
    def __init__(self, workspace: Workspace, answers: Answers, windows: Windows, lessons: Lessons) -> None:
        self._workspace = workspace
        self._engine = workspace.engine
        self._api = workspace.api
        self._answers = answers
        self._windows = windows
        self._lessons = lessons

    # A button

    async def press(self, pressed: Pressed) -> None:
        by = await self._windows.author(pressed.person)
        try:
            await self._press(pressed, by)
        except QueueFull as full:
            await self._whisper_once(pressed, sentence(full), told_of(full))
        except UnderstudyError as error:
            await self._whisper_once(pressed, sentence(error))

    async def refuse(self, pressed: Pressed) -> None:
        """There is no room for one more press of theirs."""
        await self._windows.whisper(pressed, TOO_MANY_PRESSES)

    async def _whisper_once(self, pressed: Pressed, words: str, about: str = "") -> None:
        """A button that is pressed again and again says the same once a minute."""
        if self._workspace.bounds.told.may_tell(
            pressed.person.user, about or f"{words} {pressed.action} {pressed.value}"
        ):
            await self._windows.whisper(pressed, words)

    async def _press(self, pressed: Pressed, by: Author) -> None:
        match pressed.action:
            case Action.RATE:
                await self._rate(pressed, by)
            case Action.AGAIN:
                await self._again(pressed, by)
            case Action.STOP:
                await self._stop(pressed, by)
            case Action.RETRY:
                await self._retry(pressed, by)
            case Action.TRY:
                await self._try(pressed, by)
            case Action.CHOOSE_SKILL:
                await self._choose(pressed, by)
            case Action.WHY:
                why = await self._engine.why(pressed.value, by, self._windows.scope_of(pressed.place))
                await self._windows.whisper(pressed, why)
            case _:
                await self._lessons.press(pressed, by)

    async def _rate(self, pressed: Pressed, by: Author) -> None:
        word, _, about = pressed.value.partition("|")
        if word != Rating.GOOD:
            await self._lessons.ask_for_right(pressed, about, by)
        elif await self._engine.answered(about) is None:
            await self._whisper_once(pressed, SlackWord.NO_ANSWER_THERE)
        else:
            await self._engine.rate(about, by, Verdict.GOOD)
            await self._whisper_once(pressed, SlackWord.THANKS_GOOD)

    async def _again(self, pressed: Pressed, by: Author) -> None:
        """The same press is the same message, however often Slack tells of it."""
        new_id = f"{pressed.value}:again:{pressed.trigger_id}"
        message = await self._engine.again(pressed.value, new_id, by)
        if message is None:
            await self._whisper_once(pressed, SlackWord.NO_ANSWER_THERE)
            return
        thread_ts = pressed.thread_ts or message.scope.conversation
        await self._ask(message, SlackAddress(pressed.channel, thread_ts, team=pressed.person.team))

    async def _stop(self, pressed: Pressed, by: Author) -> None:
        """Who asked may, and an admin."""
        asker = self._answers.asker(pressed.value)
        scope = Scope(Platform.SLACK, self._workspace.identity.team, pressed.channel, pressed.thread_ts)
        if asker in (None, by.id) or self._engine.may(by, scope, Right.ADMIN):
            self._engine.stop(pressed.value)
        else:
            await self._whisper_once(pressed, SlackWord.NOT_YOURS_TO_STOP)

    async def _retry(self, pressed: Pressed, by: Author) -> None:
        """Who pressed twice is answered once."""
        delivery = await self._engine.retry(pressed.value, by)
        if delivery is not None:
            self._answers.begin(delivery)
        elif self._answers.asker(pressed.value) is None:
            await self._windows.whisper(pressed, SlackWord.NO_ANSWER_THERE)

    async def _try(self, pressed: Pressed, by: Author) -> None:
        skill = self._engine.skillbook.get(pressed.value)
        if skill is not None:
            await self._show_use(pressed.trigger_id, by, skill, _example_text(skill), Target())

    async def _choose(self, pressed: Pressed, by: Author) -> None:
        """Another skill in a window: its own inputs, with the longest text that was there."""
        skills = self._skills(by, self._windows.scope_of(pressed.target))
        skill = next((one for one in skills if one.name == pressed.value), None)
        if skill is None:
            return
        typed = [
            text
            for block, text in pressed.values.items()
            if block not in (slack_blocks.SKILL_BLOCK, slack_blocks.OUTPUT_BLOCK)
        ]
        view = _window(pressed.dialog, skills, skill, max(typed, key=len, default=""), pressed.target)
        await self._api.call("views.update", view_id=pressed.view_id, view=view)

    # A window

    async def open_for(self, shortcut: Shortcut) -> None:
        by = await self._windows.author(shortcut.person)
        text = readable(shortcut.text, self._workspace.identity.bot_user)
        skills = self._skills(by, self._windows.scope_of(shortcut.target))
        if not skills:
            await self._windows.open(shortcut.trigger_id, slack_blocks.note_modal(SlackWord.NO_SKILLS))
            return
        view = _window(shortcut.dialog, skills, _first(skills), text, shortcut.target)
        await self._windows.open(shortcut.trigger_id, view)

    async def _show_use(self, trigger_id: str, by: Author, skill: Skill, text: str, target: Target) -> None:
        skills = self._skills(by, self._windows.scope_of(target))
        if skill in skills:
            await self._windows.open(trigger_id, _window(Dialog.USE, skills, skill, text, target))

    async def submit(self, submitted: Submitted) -> Mapping[str, str]:
        """What is wrong with it, by block; empty when it was taken. Raises StoreFailed."""
        by = await self._windows.author(submitted.person)
        try:
            if submitted.dialog is not Dialog.USE:
                return await self._lessons.submit(submitted, by)
            skill = self._engine.skillbook.get(submitted.skill)
            if skill is None:
                return {slack_blocks.SKILL_BLOCK: str(SlackWord.NO_SKILLS)}
            return await self._use(submitted, by, skill)
        except NotRead:
            skill = self._engine.skillbook.get(submitted.skill)
            block = slack_blocks.input_block(skill, skill.main_input) if skill else slack_blocks.SKILL_BLOCK
            return {block: str(SlackWord.NOT_READ)}

    async def _use(self, submitted: Submitted, by: Author, skill: Skill) -> Mapping[str, str]:
        scope = self._windows.scope_of(submitted.target)
        if not self._engine.may(by, scope, Right.USE, skill.name):
            return {slack_blocks.SKILL_BLOCK: str(SlackWord.NOT_FOR_YOU)}
        inputs = await self._lessons.whole(submitted.target, skill, submitted.inputs(skill))
        if not inputs:
            return {slack_blocks.input_block(skill, skill.main_input): str(SlackWord.NEEDS_TEXT)}
        new_id = message_id(scope.workspace, scope.channel, submitted.view_id)
        message = Message(new_id, scope, by, "", skill.name, inputs)
        target, team = submitted.target, submitted.person.team
        if target.channel:
            address = SlackAddress(
                target.channel, target.thread_ts, response_url=target.response_url, team=team
            )
            await self._ask(message, address)
        else:  # in the person's direct messages, under what they asked
            said = opening(by.id, f"/{skill.name}", " · ".join(inputs.values()))
            direct = replace(message, scope=replace(scope, channel=by.id, conversation=submitted.view_id))
            await self._ask(direct, SlackAddress(by.id, opening=said, team=team))
        return {}

    # Pieces

    async def _ask(self, message: Message, address: SlackAddress) -> None:
        delivery = await self._answers.keep_message(message, address)
        if delivery is not None:
            self._answers.begin(delivery)

    def _skills(self, by: Author, scope: Scope) -> tuple[Skill, ...]:
        return self._engine.skills_for(by, scope)


def _window(
    dialog: Dialog, skills: tuple[Skill, ...], chosen: Skill, text: str, target: Target
) -> slack_blocks.View:
    if dialog is Dialog.TEACH:
        return slack_blocks.teach_modal(skills, chosen, {chosen.main_input.name: text}, "", target.to_json())
    return slack_blocks.use_modal(skills, chosen, text, target.to_json())


def _first(skills: tuple[Skill, ...]) -> Skill:
    """The one that is shown before another is chosen: one that is meant for a text of somebody else, if there is one."""
    return next((one for one in skills if one.examples), skills[0])


def _example_text(skill: Skill) -> str:
    return skill.examples[0].inputs.get(skill.main_input.name, "") if skill.examples else ""
