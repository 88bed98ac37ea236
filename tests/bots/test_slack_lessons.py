"""Teaching in Slack by windows and buttons: who may, what comes of it, twice, at once and after a restart."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from engine import AccessConfig, Engine, Picture, Proposal, Scope, Shown
from engine.message import Author, Platform
from tests.emulators.slack import Posted, Refused, SlackEmulator
from tests.emulators.slack_bot import ME, Bot, running
from tests.skillfolder import TRIAGE, make_skillbook, page_of

pytestmark = pytest.mark.scenario

ACCESS = AccessConfig(teach=("UADA", "UBOB"))
HERE = Scope(Platform.SLACK, "T1", "C1", "")
LINE = "  - {input: the tide is low, output: low}\n"


@pytest.fixture
async def bot(slack: SlackEmulator, tmp_path: Path) -> AsyncGenerator[Bot]:
    async with running(slack, tmp_path, book=make_skillbook(tmp_path), access=ACCESS) as bot:
        yield bot


async def answered(slack: SlackEmulator, bot: Bot, text: str, user: str = "UADA") -> Posted:
    num_settled = bot.engine.num_settled
    ts = await slack.say(user, "C1", f"{ME} {text}")
    await bot.engine.have_settled(num_settled + 1)
    return slack.thread("C1", ts)[-1]


async def window(slack: SlackEmulator, num_opened: int = 1) -> dict[str, Any]:
    await slack.until(lambda: len(slack.views) >= num_opened)
    return list(slack.views.values())[-1]


async def whispered(slack: SlackEmulator, number: int = 1) -> Posted:
    await slack.until(lambda: len(slack.whispered) >= number)
    return slack.whispered[number - 1]


def id_of(posted: Posted) -> str:
    return f"slack:T1:{posted.channel}:{posted.thread_ts}"


async def proposed(bot: Bot, text: str = "the tide is low", output: str = "low") -> int:
    return await bot.engine.propose(Proposal("triage", {"text": text}, output, Author("UEVE", "Eve"), HERE))


async def teaches_from(slack: SlackEmulator, user: str, text: str, output: str) -> None:
    ts = await slack.say("UTIM", "C1", text)
    num_opened = len(slack.views)
    await slack.shortcut(user, "teach", "C1", ts)
    view = await window(slack, num_opened + 1)
    await slack.choose(user, view["id"], "skill", "triage")
    await slack.until(lambda: "triage.text" in str(slack.views[view["id"]]))
    await slack.acked(await slack.submit(user, view["id"], output=output))


class TestTeachingAtOnce:
    async def test_who_may_teaches_from_a_message_at_once_and_sees_the_diff(
        self, slack: SlackEmulator, bot: Bot, tmp_path: Path
    ) -> None:
        await teaches_from(slack, "UADA", "the tide is low", "low")
        told = await whispered(slack)
        assert LINE in page_of(tmp_path)
        assert f"+{LINE.rstrip()}" in told.text
        assert "/undo triage" in told.text
        assert told.buttons == set()
        assert await bot.engine.proposals() == ()

    async def test_who_may_only_use_it_leaves_a_proposal_without_buttons(
        self, slack: SlackEmulator, bot: Bot, tmp_path: Path
    ) -> None:
        await teaches_from(slack, "UEVE", "the tide is low", "low")
        told = await whispered(slack)
        assert "proposal 1" in told.text
        assert told.buttons == set()
        assert page_of(tmp_path) == TRIAGE
        (proposal,) = await bot.engine.proposals()
        assert (proposal.author.id, proposal.output) == ("UEVE", "low")
        assert proposal.source.startswith("slack:T1:C1:")

    async def test_what_is_to_be_looked_at_is_held_and_accepted_where_it_is_shown(
        self, slack: SlackEmulator, bot: Bot, tmp_path: Path
    ) -> None:
        await teaches_from(slack, "UADA", "the site is DOWN", "low")  # a contradiction
        told = await whispered(slack)
        assert "contradict" in told.text
        assert told.buttons == {"accept_proposal", "edit_proposal", "drop_proposal"}
        assert page_of(tmp_path) == TRIAGE
        await slack.press("UADA", told, "accept_proposal")
        await slack.until(lambda: told.buttons == set())
        assert told.text.startswith("Taught.")
        assert "the site is DOWN" in page_of(tmp_path)

    async def test_the_right_answer_after_not_good_is_taught_at_once(
        self, slack: SlackEmulator, bot: Bot, tmp_path: Path
    ) -> None:
        answer = await answered(slack, bot, "triage: low, I think")
        await slack.press("UBOB", answer, "rate", f"not_good|{id_of(answer)}")
        view = await window(slack)
        assert view["blocks"][-1]["element"]["type"] == "static_select"
        await slack.acked(await slack.submit("UBOB", view["id"], output="urgent"))
        assert (await whispered(slack)).text.startswith("Taught.")
        assert 'input: "low, I think", output: urgent' in page_of(tmp_path).replace("'", '"')

    async def test_what_is_taught_already_is_said_in_the_window(self, slack: SlackEmulator, bot: Bot) -> None:
        ts = await slack.say("UTIM", "C1", "The site is down")
        await slack.shortcut("UADA", "teach", "C1", ts)
        view = await window(slack)
        await slack.choose("UADA", view["id"], "skill", "triage")
        await slack.until(lambda: "triage.text" in str(slack.views[view["id"]]))
        sent = await slack.submit("UADA", view["id"], output="urgent")
        await slack.acked(sent)
        assert "taught this already" in sent.acks[0]["errors"]["output"]
        assert slack.whispers == []

    async def test_where_the_bot_is_no_member_it_tells_by_slacks_own_way_back(
        self, slack: SlackEmulator, bot: Bot, tmp_path: Path
    ) -> None:
        ts = await slack.say("UTIM", "C404", "the tide is low")
        await slack.shortcut("UADA", "teach", "C404", ts)
        view = await window(slack)
        await slack.choose("UADA", view["id"], "skill", "triage")
        await slack.until(lambda: "triage.text" in str(slack.views[view["id"]]))
        await slack.submit("UADA", view["id"], output="low")
        await slack.until(lambda: bool(slack.responses))
        assert "Taught." in slack.responses[0]["blocks"][0]["text"]
        assert LINE in page_of(tmp_path)


class TestProposals:
    async def test_a_held_example_of_a_command_is_decided_under_the_answer(
        self, slack: SlackEmulator, bot: Bot, tmp_path: Path
    ) -> None:
        shown = await answered(slack, bot, "/teach triage the tide is low => low", "UEVE")
        await slack.press("UEVE", shown, "accept_proposal")
        refusal = await whispered(slack)
        assert "may not teach" in refusal.text
        assert shown.buttons == {"accept_proposal", "edit_proposal", "drop_proposal"}
        await slack.press("UADA", shown, "accept_proposal")
        await slack.until(lambda: shown.buttons == set())
        assert "Taught." in shown.text
        assert f"+{LINE.rstrip()}" in shown.text
        assert LINE in page_of(tmp_path)

    async def test_a_proposal_is_edited_in_a_window_and_shown_again(
        self, slack: SlackEmulator, bot: Bot, tmp_path: Path
    ) -> None:
        await proposed(bot)
        shown = await answered(slack, bot, "/proposals")
        await slack.press("UADA", shown, "edit_proposal")
        view = await window(slack)
        first, last = view["blocks"][0]["element"], view["blocks"][-1]["element"]
        assert first["initial_value"] == "the tide is low"
        assert last["initial_option"]["text"]["text"] == "low"
        await slack.acked(
            await slack.submit("UADA", view["id"], text="the tide is very low", output="urgent")
        )
        await slack.until(lambda: "very low" in shown.text)
        assert shown.buttons == {"accept_proposal", "edit_proposal", "drop_proposal"}
        assert page_of(tmp_path) == TRIAGE
        await slack.press("UBOB", shown, "accept_proposal")
        await slack.until(lambda: shown.buttons == set())
        assert "{input: the tide is very low, output: urgent}" in page_of(tmp_path)

    async def test_a_text_too_long_for_a_window_stays_as_it_was(self, slack: SlackEmulator, bot: Bot) -> None:
        text = " ".join(f"word{number}" for number in range(600))
        await proposed(bot, text)
        shown = await answered(slack, bot, "/proposals")
        await slack.press("UADA", shown, "edit_proposal")
        view = await window(slack)
        await slack.acked(await slack.submit("UADA", view["id"], output="urgent"))
        await slack.until(lambda: "output: urgent" in shown.text)
        (proposal,) = await bot.engine.proposals()
        assert (proposal.inputs["text"], proposal.output) == (text, "urgent")

    async def test_of_several_the_others_stay_with_their_buttons(
        self, slack: SlackEmulator, bot: Bot, tmp_path: Path
    ) -> None:
        numbers = [await proposed(bot, f"tide {number}") for number in range(7)]
        shown = await answered(slack, bot, "/proposals")
        values = [one["value"] for block in shown.blocks[1:] for one in block["elements"]]
        assert values == [f"{number}|list" for number in numbers[:5] for _ in range(3)]
        await slack.press("UADA", shown, "drop_proposal", f"{numbers[1]}|list")
        await slack.until(lambda: "is dropped" in shown.text)
        values = [one["value"] for block in shown.blocks[1:] for one in block["elements"]]
        left = [numbers[0], *numbers[2:6]]
        assert values == [f"{number}|list" for number in left for _ in range(3)]
        assert page_of(tmp_path) == TRIAGE

    @pytest.mark.parametrize("num_others", [0, 2])
    async def test_of_two_teachers_who_accept_at_once_one_teaches_and_the_other_is_told(
        self, slack: SlackEmulator, bot: Bot, tmp_path: Path, num_others: int
    ) -> None:
        await proposed(bot)
        for number in range(num_others):
            await proposed(bot, f"tide {number}")
        shown = await answered(slack, bot, "/proposals")
        await asyncio.gather(*(slack.press(who, shown, "accept_proposal") for who in ("UADA", "UBOB")))
        told = await whispered(slack)
        await slack.until(lambda: len(shown.blocks) == 1 + num_others)
        assert "accepted already" in told.text
        assert shown.text.startswith("Taught.")
        assert page_of(tmp_path).count(LINE) == 1

    async def test_buttons_of_what_was_decided_elsewhere_go_when_they_are_pressed_also_after_a_restart(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        async with running(slack, tmp_path, book=make_skillbook(tmp_path), access=ACCESS) as bot:
            await proposed(bot)
            first = await answered(slack, bot, "/proposals")
            second = await answered(slack, bot, "/proposals")
            await answered(slack, bot, "/drop 1")
        async with running(slack, tmp_path, book=make_skillbook(tmp_path), access=ACCESS):
            await slack.press("UADA", first, "accept_proposal")
            await slack.until(lambda: first.buttons == set())
            await slack.press("UADA", second, "edit_proposal")
            await slack.until(lambda: second.buttons == set())
        assert first.text == second.text == "Proposal 1 was dropped already."
        assert page_of(tmp_path) == TRIAGE

    async def test_a_skill_that_is_gone_is_said_and_nothing_else(
        self, slack: SlackEmulator, bot: Bot, tmp_path: Path
    ) -> None:
        await proposed(bot)
        shown = await answered(slack, bot, "/proposals")
        (tmp_path / "skills" / "triage.yaml").unlink()
        await bot.engine.skillbook.refresh()
        await slack.press("UADA", shown, "accept_proposal")
        assert "no skill called" in (await whispered(slack)).text

    async def test_what_slack_does_not_let_us_change_is_said_beside_it(
        self, slack: SlackEmulator, bot: Bot
    ) -> None:
        await proposed(bot)
        shown = await answered(slack, bot, "/proposals")
        slack.fail("chat.update", Refused("message_not_found"))
        await slack.press("UADA", shown, "accept_proposal")
        assert (await whispered(slack)).text.startswith("Taught.")

    async def test_at_home_who_may_decides_who_proposed_sees_and_others_see_nothing(
        self, slack: SlackEmulator, bot: Bot, tmp_path: Path
    ) -> None:
        await proposed(bot)
        for user in ("UADA", "UEVE", "UTIM"):
            await slack.open_app(user, "home")
        await slack.until(lambda: len(slack.homes) == 3)
        assert "the tide is low" not in str(slack.homes["UTIM"][-1])
        assert "accept_proposal" in str(slack.homes["UADA"][-1])
        assert "the tide is low" in str(slack.homes["UEVE"][-1])
        assert "accept_proposal" not in str(slack.homes["UEVE"][-1])
        await slack.press_at_home("UADA", "accept_proposal", "1")
        assert "Taught." in str(await window(slack))
        await slack.until(lambda: "the tide is low" not in str(slack.homes["UADA"][-1]["blocks"][-3:]))
        assert LINE in page_of(tmp_path)

    async def test_of_another_workspace_nothing_is_seen_at_home(self, slack: SlackEmulator, bot: Bot) -> None:
        elsewhere = Scope(Platform.DISCORD, "99", "1", "")
        await bot.engine.propose(
            Proposal("triage", {"text": "a secret"}, "low", Author("7", "Zed"), elsewhere)
        )
        await slack.open_app("UADA", "home")
        await slack.until(lambda: bool(slack.homes["UADA"]))
        assert "a secret" not in str(slack.homes["UADA"][-1])


class TestUnderAnAnswer:
    async def test_why_is_told_to_who_asks_and_stands_only_where_there_is_a_reason(
        self, slack: SlackEmulator, bot: Bot
    ) -> None:
        answer = await answered(slack, bot, "triage: low, I think")
        assert answer.buttons == {"rate", "again", "why"}
        assert (await answered(slack, bot, "hello")).buttons == {"rate", "again"}
        await slack.press("UEVE", answer, "why")
        told = await whispered(slack)
        assert "example 1: The site is down" in told.text
        assert told.buttons == set()
        assert slack.whispers[0]["user"] == "UEVE"

    async def test_who_may_not_use_the_skill_is_not_told_why_and_sees_no_window(
        self, slack: SlackEmulator, bot: Bot, tmp_path: Path
    ) -> None:
        answer = await answered(slack, bot, "triage: low, I think")
        page = tmp_path / "skills" / "triage.yaml"
        page.write_text(page_of(tmp_path) + "access: {use: [UADA]}\n")
        await bot.engine.skillbook.refresh()
        for number, (action, value) in enumerate((("why", None), ("rate", "not_good|")), start=1):
            await slack.press("UEVE", answer, action, value and value + id_of(answer))
            assert "may not use" in (await whispered(slack, number)).text
        assert slack.views == {}

    async def test_what_it_does_not_know_it_is_taught_from_a_button(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        book = make_skillbook(tmp_path, triage=TRIAGE + "unsure_below: 0.999\n")
        async with running(slack, tmp_path, book=book, access=ACCESS) as bot:
            answer = await answered(slack, bot, "triage: the sphinx is low")
        async with running(slack, tmp_path, book=book, access=ACCESS):  # after a restart
            assert answer.buttons == {"rate", "again", "why", "teach_me"}
            await slack.press("UADA", answer, "teach_me")
            view = await window(slack)
            text, label = view["blocks"][1], view["blocks"][2]
            assert text["element"]["initial_value"] == "the sphinx is low"
            assert [one["text"]["text"] for one in label["element"]["options"]] == ["urgent", "low"]
            await slack.acked(await slack.submit("UADA", view["id"], output="urgent"))
            assert (await whispered(slack)).text.startswith("Taught.")
        assert "{input: the sphinx is low, output: urgent}" in page_of(tmp_path)

    async def test_a_forgotten_answer_can_neither_be_explained_nor_taught(
        self, slack: SlackEmulator, tmp_path: Path
    ) -> None:
        book = make_skillbook(tmp_path, triage=TRIAGE + "unsure_below: 0.999\n")
        async with running(slack, tmp_path, book=book, access=ACCESS) as bot:
            answer = await answered(slack, bot, "triage: the sphinx is low")
            await slack.say("UADA", "C1", "!forget", thread_ts=answer.thread_ts)
            await bot.engine.have_settled(2)
            for number, action in enumerate(("why", "teach_me"), start=1):
                await slack.press("UADA", answer, action)
                assert "sphinx" not in (await whispered(slack, number)).text
        assert slack.views == {}

    async def test_a_picture_comes_as_a_file_with_its_words(
        self, slack: SlackEmulator, bot: Bot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        picture = Picture("curve.png", b"\x89PNG\x00\xff", "From 40 % to 80 %.", "▁▃▇")

        async def draws(self: Engine, *_: Any) -> Shown:
            return Shown("The curve of /triage:", picture=picture)

        monkeypatch.setattr(Engine, "_answer_built_in", draws)
        last = await answered(slack, bot, "/skills")
        said = [one.text for one in slack.thread("C1", str(last.thread_ts))]
        assert said == ["The curve of /triage:", picture.alt]
        (upload,) = slack.uploads
        assert (upload["content"], upload["filename"]) == (picture.png, "curve.png")
        assert upload["alt_txt"] == picture.alt
        assert upload["thread_ts"] == last.thread_ts
