"""What people in Slack and Discord see while the model's process dies again and again, and what they can press afterwards."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bots.metrics_figures import Figures
from bots.metrics_text import rendered
from engine import AccessConfig
from engine.errors import PutAside
from engine.inference import FailureCode, Worker, client
from engine.meter import End, Outcome
from engine.skill import SkillSampling
from engine.wording import sentence
from tests.brokenworker import POISON, worker_with
from tests.emulators import discord_bot, slack_bot
from tests.emulators.discord import DiscordEmulator
from tests.emulators.slack import SlackEmulator
from tests.emulators.slack_bot import ME
from tests.fakes import Failure, FakeInference, make_skill
from tests.outcomes import Injected

CHAT = make_skill("chat", sampling=SkillSampling(max_tokens=12))
TOLD = sentence(PutAside("chat"))
DIED_AFTER = Failure(FailureCode.WORKER_DIED, after="It is ")


@pytest.fixture
async def poisoned(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Worker]:
    """A worker that dies of a word, and is there again at once."""
    monkeypatch.setattr(client, "_MAX_BACKOFF_SECONDS", 0.01)
    with worker_with(POISON, tmp_path):
        worker = await Worker.start(
            tiny_model, name="tiny", sha256="ab", slots=4, context_tokens=1024, threads=1
        )
        yield worker
        await worker.close()


@pytest.mark.fault(
    "F21", "a message in Slack of which the model's process dies each time, beside one of somebody else"
)
async def test_its_author_is_told_kindly_and_it_is_never_run_again(
    slack: SlackEmulator, poisoned: Worker, tmp_path: Path, injected: Injected
) -> None:
    async with slack_bot.running(slack, tmp_path, poisoned, skills=[CHAT]) as bot:
        guilty = await slack.say("U1", "C1", f"{ME} poison")
        other = await slack.say("U2", "C1", f"{ME} Hello")
        assert TOLD in (await slack.answer_in("C1", guilty)).text
        assert TOLD not in (await slack.answer_in("C1", other)).text
        assert bot.engine.meter.ends["chat", End(Outcome.FAILED, "put_aside")] == 1

        restarts = poisoned.num_restarts
        again = await slack.say("U3", "C1", f"{ME} poison")
        assert TOLD in (await slack.answer_in("C1", again)).text
        assert bot.engine.meter.ends["chat", End(Outcome.REFUSED, "put_aside")] == 1
        page = rendered(Figures(bot.engine, "tiny", {}).families()).decode()
        assert f"understudy_engine_restarts_total {restarts}" in page.replace(".0\n", "\n")
        assert slack.num_connections == 1  # the place was there all the time
        await bot.engine.have_settled(3)
    async with slack_bot.running(slack, tmp_path, poisoned, skills=[CHAT]) as bot:
        after_a_restart = await slack.say("U1", "C1", f"{ME} poison")
        assert TOLD in (await slack.answer_in("C1", after_a_restart)).text
        assert poisoned.num_restarts == restarts
        injected(restarts)

        assert await bot.store.aside.number() == 1
        assert await bot.store.aside.clear() == 1  # what the operator's command does
        once_more = await slack.say("U1", "C1", f"{ME} poison")
        assert TOLD in (await slack.answer_in("C1", once_more)).text
        assert poisoned.num_restarts > restarts or not poisoned.is_up  # it was tried
        await bot.engine.have_settled(2)


@pytest.mark.fault(
    "F21", "a message in Discord of which the model's process dies each time, beside one of somebody else"
)
async def test_its_author_is_told_and_the_other_one_is_answered(
    discord: DiscordEmulator, poisoned: Worker, tmp_path: Path, injected: Injected
) -> None:
    async with discord_bot.running(discord, tmp_path, poisoned, skills=[CHAT]) as bot:  # type: ignore[arg-type]
        guilty = await discord.say("ann", "general", "poison", mention=True)
        other = await discord.say("bob", "general", "Hello", mention=True)
        await discord.answer_to(guilty, TOLD)
        await discord.answer_to(other)
        assert TOLD not in discord.text_of(other)
        assert discord.gateway.num_identified == 1
        await bot.settled()
        injected(poisoned.num_restarts)


@pytest.mark.fault("F21", "the model's process dies in the middle of an answer in Slack")
async def test_what_was_shown_stays_and_a_button_brings_the_whole_answer_in_its_place(
    slack: SlackEmulator, tmp_path: Path
) -> None:
    model = FakeInference()
    model.script(DIED_AFTER)
    async with slack_bot.running(slack, tmp_path, model, skills=[CHAT]) as bot:
        asked = await slack.say("U1", "C1", f"{ME} What is it?")
        posted = await slack.answer_in("C1", asked, "(interrupted)")
        assert posted.text.startswith("It is")
        assert posted.buttons == {"retry"}
        await bot.engine.have_settled(1)
    model.script("It is a chair.")
    async with slack_bot.running(
        slack, tmp_path, model, skills=[CHAT]
    ) as bot:  # what can be pressed outlives the bot
        await slack.press("U2", posted, "retry")
        await slack.until(lambda: bool(slack.whispers))
        assert "person who asked" in slack.whispers[0]["text"]
        model.gate.close()
        for _ in range(3):
            await slack.press("U1", posted, "retry")
        await model.until(lambda: model.gate.num_held == 1)
        model.gate.open()
        await slack.answer_in("C1", asked, "It is a chair.")
        await bot.engine.have_settled(1)
        assert len(slack.thread("C1", asked)) == 1
        assert len(model.requests) == 2
        await slack.press("U1", posted, "again")  # an answer like any other now


@pytest.mark.fault("F21", "the model's process dies in the middle of an answer in Discord")
async def test_what_was_shown_stays_and_a_button_brings_the_whole_answer_in_its_place_there_too(
    discord: DiscordEmulator, tmp_path: Path
) -> None:
    model = FakeInference()
    model.script(DIED_AFTER)
    async with discord_bot.running(discord, tmp_path, model, skills=[CHAT]) as bot:
        asked = await discord.say("ann", "general", "What is it?", mention=True)
        answer = await discord.answer_to(asked, "(interrupted)")
        assert list(answer.controls) == ["Try again"]
        await bot.settled()
    model.script("It is a chair.")
    async with discord_bot.running(discord, tmp_path, model, skills=[CHAT]) as bot:
        pressed = await discord.press("bob", answer, "Try again")
        assert "person who asked" in (await discord.answer_to(pressed)).content
        for _ in range(3):
            await discord.press("ann", answer, "Try again")
        await discord.answer_to(asked, "It is a chair.")
        await bot.settled()
        assert len(discord.answers_to(asked)) == 1
        assert len(model.requests) == 2


@pytest.mark.fault("F21", "who was interrupted asks to be forgotten")
async def test_nothing_is_kept_for_the_button_then(slack: SlackEmulator, tmp_path: Path) -> None:
    model = FakeInference()
    model.script(DIED_AFTER)
    async with slack_bot.running(
        slack, tmp_path, model, skills=[CHAT], access=AccessConfig(admin=("U9",))
    ) as bot:
        asked = await slack.say("U1", "C1", f"{ME} my secret")
        posted = await slack.answer_in("C1", asked, "(interrupted)")
        await bot.engine.have_settled(1)
        forgot = await slack.say("U1", "C1", f"{ME} /forget")
        await slack.answer_in("C1", forgot, "Deleted")
        await bot.engine.have_settled(2)
        await slack.press("U1", posted, "retry")
        await slack.until(lambda: bool(slack.whispers))
        assert len(model.requests) == 1
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("understudy.db*"))
    assert b"my secret" not in kept
