"""Who may use, teach and administer, as a table; asked anew at each press; by ids, whatever somebody calls themselves."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engine import AccessConfig, Engine, Limits, NotAllowed, Proposal, Right, Scope, Store, UnderstudyError
from engine.message import Author, Message, Platform
from tests.emulators import discord_bot, slack_bot
from tests.emulators.discord import DiscordEmulator
from tests.emulators.discord_world import Said
from tests.emulators.slack import Posted, SlackEmulator
from tests.fakes import FakeInference, collect, make_message
from tests.outcomes import Injected
from tests.skillfolder import TRIAGE, make_skillbook, page_of

ME = slack_bot.ME
PLACES = ("the teachers' channel", "another channel", "a direct message")
NOWHERE, ANYWHERE, THERE = (), PLACES, PLACES[:1]


@dataclass(frozen=True)
class Case:
    """Who somebody is, and where they may use a skill, teach it, and do everything."""

    who: Author
    use: tuple[str, ...] = NOWHERE
    teach: tuple[str, ...] = NOWHERE
    admin: tuple[str, ...] = NOWHERE


def cases(ids: dict[str, str]) -> dict[str, Case]:
    """`everybody` and a named guest and a stranger use it; a person, a group and a channel teach; one administers."""
    group = (ids["group"],)
    return {
        "a member": Case(Author(ids["member"], "Mia"), ANYWHERE, THERE),
        "a member who is called like the admin": Case(Author(ids["member"], ids["admin"]), ANYWHERE, THERE),
        "a member who is called everybody": Case(Author(ids["member"], "everybody"), ANYWHERE, THERE),
        "a named teacher": Case(Author(ids["teacher"], "Tom"), ANYWHERE, ANYWHERE),
        "one of the teachers' group": Case(Author("x", "Ann", group), ANYWHERE, ANYWHERE),
        "the admin": Case(Author(ids["admin"], "Root"), ANYWHERE, ANYWHERE, ANYWHERE),
        "a guest": Case(Author("g", "Gus", is_guest=True)),
        "a guest who is called everybody": Case(Author("g", "everybody", is_guest=True)),
        "a named guest": Case(Author(ids["guest"], "Gil", is_guest=True), ANYWHERE),
        "somebody of another workspace": Case(Author("s", "Sue", ("T9",), is_foreign=True)),
        "a stranger in the teachers' group": Case(Author("s", "Sue", ("T9", *group), is_foreign=True)),
        "a named stranger": Case(Author(ids["stranger"], "Stu", ("T9",), is_foreign=True), ANYWHERE),
    }


SLACK_IDS = {
    "member": "UMIA", "teacher": "UTOM", "admin": "UROOT", "guest": "UGIL", "stranger": "USTU", "group": "STEACH",
    "the teachers' channel": "CTEACH", "another channel": "CGEN", "a direct message": "DUMIA", "workspace": "T1",
}  # fmt: skip
DISCORD_IDS = {name: str(800000000000000000 + number) for number, name in enumerate(SLACK_IDS)}
IDS = {Platform.SLACK: SLACK_IDS, Platform.DISCORD: DISCORD_IDS}


def access_of(ids: dict[str, str]) -> AccessConfig:
    return AccessConfig(
        use=("everybody", ids["guest"], ids["stranger"]),
        teach=(ids["teacher"], ids["group"], ids["the teachers' channel"]),
        admin=(ids["admin"],),
    )


@pytest.mark.threat(
    "S4",
    "12 kinds of people, in channels and direct messages of both platforms, ask, teach, decide and administer",
)
@pytest.mark.parametrize("platform", IDS)
@pytest.mark.parametrize("who", cases(SLACK_IDS))
async def test_what_somebody_may_is_what_config_says_of_their_id_and_nothing_is_done_besides(
    tmp_path: Path, platform: Platform, who: str, injected: Injected
) -> None:
    ids = IDS[platform]
    case = cases(ids)[who]
    book = make_skillbook(tmp_path)
    store = await Store.open(tmp_path / "understudy.db")
    model = FakeInference()
    engine = Engine(
        inference=model, skillbook=book, store=store, limits=Limits(), default_skill="chat",
        versions_folder=tmp_path / "versions", access=access_of(ids),
    )  # fmt: skip
    try:
        for place in PLACES:
            scope = Scope(platform, ids["workspace"], ids[place], "1")
            await _check(engine, tmp_path, case, place, scope)
    finally:
        await engine.close()
        await store.close()
    injected(3 * len(PLACES))


async def _check(engine: Engine, folder: Path, case: Case, place: str, scope: Scope) -> None:
    model = engine.inference
    for right, where in ((Right.USE, case.use), (Right.TEACH, case.teach), (Right.ADMIN, case.admin)):
        assert engine.may(case.who, scope, right, "triage") is (place in where)
    may_use, may_teach = place in case.use, place in case.teach
    model.requests.clear()
    assert await _does(engine, "/triage it burns", case.who, scope) is may_use
    assert bool(model.requests) is may_use
    page = page_of(folder)
    proposals = await engine.proposals()
    await _does(engine, f"/teach triage the {place} is {case.who.id} => low", case.who, scope)
    assert (page_of(folder) != page) is may_teach
    assert (len(await engine.proposals()) > len(proposals)) is (may_use and not may_teach)
    if may_teach:
        assert await _does(engine, "/undo triage", case.who, scope)
    assert page_of(folder) == page
    root = Author("UZED", "Zed")
    number = await engine.propose(
        Proposal("triage", {"text": f"{place} stands"}, "low", root, replace(scope, conversation="2"))
    )
    assert await _does(engine, f"/drop {number}", case.who, scope) is may_teach
    assert (
        await _does(
            engine, f"/skill new made-{len(proposals)}\nSays a letter\na => b\nc => d", case.who, scope
        )
        is may_teach
    )
    with_made = folder / "skills" / f"made-{len(proposals)}.yaml"
    assert with_made.exists() is may_teach
    with_made.unlink(missing_ok=True)
    await engine.skillbook.refresh()


async def _does(engine: Engine, text: str, author: Author, scope: Scope) -> bool:
    """Whether it is done, rather than refused."""
    message: Message = make_message(text, scope=scope, author=author)
    try:
        await collect(engine.respond(message))
    except NotAllowed:
        return False
    except UnderstudyError as error:
        raise AssertionError(f"{text}: {error!r}") from error
    return True


# Buttons and windows from before


async def _answered(slack: SlackEmulator, bot: slack_bot.Bot, text: str) -> Posted:
    num_settled = bot.engine.num_settled
    ts = await slack.say("UADA", "C1", f"{ME} {text}")
    await bot.engine.have_settled(num_settled + 1)
    return slack.thread("C1", ts)[-1]


@pytest.mark.threat("S4", "buttons and a window in Slack are pressed after the right was taken away")
async def test_an_old_button_and_an_open_window_in_slack_do_nothing_for_who_may_no_more(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    access = AccessConfig(teach=("UADA",))
    book = make_skillbook(tmp_path)
    async with slack_bot.running(slack, tmp_path, book=book, access=access) as bot:
        scope = Scope(Platform.SLACK, "T1", "C1", "")
        await bot.engine.propose(
            Proposal("triage", {"text": "the tide is low"}, "low", Author("UEVE", "Eve"), scope)
        )
        card = await _answered(slack, bot, "/proposals")
        answer = await _answered(slack, bot, "triage: low, I think")
        await slack.press("UADA", card, "edit_proposal")
        await slack.until(lambda: bool(slack.views))
        window = list(slack.views.values())[-1]
        page = TRIAGE + "access: {use: [UBOB], teach: [UBOB]}\n"
        (tmp_path / "skills" / "triage.yaml").write_text(page)
        await book.refresh()
        pressed = [
            (card, "accept_proposal", None),
            (card, "drop_proposal", None),
            (card, "edit_proposal", None),
        ]
        pressed += [(answer, "why", None), (answer, "rate", f"not_good|slack:T1:C1:{answer.thread_ts}")]
        for number, (posted, action, value) in enumerate(pressed, 1):
            await slack.press("UADA", posted, action, value)
            await slack.until(lambda wanted=number: len(slack.whispered) >= wanted)
            assert "may not" in slack.whispered[-1].text
        sent = await slack.submit("UADA", window["id"], text="the tide is very low", output="urgent")
        await slack.acked(sent)
        assert "may not" in str(sent.acks[0])
        asked_before = len(bot.model.requests)
        await slack.press("UADA", answer, "again")
        await slack.until(lambda: len(slack.whispered) > len(pressed))
        assert len(bot.model.requests) == asked_before
        assert page_of(tmp_path) == page
        (kept,) = await bot.engine.proposals()
        assert kept.inputs == {"text": "the tide is low"}
    assert len(slack.views) == 1  # no window was opened any more
    injected(len(pressed) + 2)


@pytest.mark.threat("S4", "buttons on Discord are pressed after the right was taken away")
async def test_an_old_button_on_discord_does_nothing_for_who_may_no_more(
    discord: DiscordEmulator, tmp_path: Path, injected: Injected
) -> None:
    ada = str(discord.person("ada").id)
    book = make_skillbook(tmp_path)
    async with discord_bot.running(discord, tmp_path, book=book, access=AccessConfig(teach=(ada,))) as bot:
        scope = Scope(Platform.DISCORD, str(discord.guild_id), str(discord.channel_id("general")), "1")
        await bot.engine.propose(
            Proposal("triage", {"text": "the tide is low"}, "low", Author("7", "Eve"), scope)
        )
        card = await discord.answer_to(await discord.slash("ada", "general", "proposals"), "/accept")
        await discord.until(lambda: bool(card.controls))
        bob = discord.person("bob").id
        page = TRIAGE + f'access: {{use: ["{bob}"], teach: ["{bob}"]}}\n'
        (tmp_path / "skills" / "triage.yaml").write_text(page)
        await book.refresh()
        for button in ("Accept", "Drop", "Edit"):
            await _is_refused(discord, "ada", card, button)
        assert page_of(tmp_path) == page
        assert len(await bot.engine.proposals()) == 1
    injected(3)


async def _is_refused(discord: DiscordEmulator, person: str, card: Said, button: str) -> None:
    pressed = await discord.press(person, card, button)
    told = await discord.answer_to(pressed, "may not")
    assert told.is_ephemeral


@pytest.mark.threat(
    "S5", "somebody takes a teacher's id, name and display name for their own name, and presses Accept"
)
async def test_a_name_opens_nothing_in_slack(
    slack: SlackEmulator, tmp_path: Path, injected: Injected
) -> None:
    async with slack_bot.running(
        slack, tmp_path, book=make_skillbook(tmp_path), access=AccessConfig(teach=("UADA",), admin=("UADA",))
    ) as bot:
        scope = Scope(Platform.SLACK, "T1", "C1", "")
        await bot.engine.propose(
            Proposal("triage", {"text": "the tide is low"}, "low", Author("UBOB", "Bob"), scope)
        )
        card = await _answered(slack, bot, "/proposals")
        profile = {"display_name": "UADA", "real_name": "UADA", "display_name_normalized": "UADA"}
        slack.users["UEVE"] = {"name": "UADA", "real_name": "UADA", "profile": profile}
        await slack.press("UEVE", card, "accept_proposal")
        await slack.until(lambda: len(slack.whispered) == 1)
        assert "may not teach" in slack.whispered[0].text
        await slack.open_app("UEVE", "home")
        await slack.until(lambda: bool(slack.homes["UEVE"]))
        assert "fake 0M words" not in str(slack.homes["UEVE"])  # what an admin sees
        assert page_of(tmp_path) == TRIAGE
    injected(2)


@pytest.mark.threat("S5", "somebody on Discord is called like a teacher's id")
async def test_a_name_opens_nothing_on_discord(discord: DiscordEmulator, tmp_path: Path) -> None:
    ada = str(discord.person("ada").id)
    book = make_skillbook(tmp_path)
    async with discord_bot.running(discord, tmp_path, book=book, access=AccessConfig(teach=(ada,))) as bot:
        told = await discord.answer_to(
            await discord.slash(ada, "general", "teach", text="triage the tide is low => low"), "proposal 1"
        )
        assert "Taught" not in told.content
        await discord.until(lambda: bool(told.controls))
        await _is_refused(discord, ada, told, "Accept")
        assert page_of(tmp_path) == TRIAGE
        assert len(await bot.engine.proposals()) == 1


@pytest.mark.threat(
    "S4", "guests, strangers and a failing Slack: who somebody is comes from Slack at the time they ask"
)
@pytest.mark.parametrize(
    ("told", "is_answered"),
    [
        ({}, True),
        ({"is_restricted": True}, False),
        ({"is_restricted": True, "is_ultra_restricted": True}, False),
        ({"is_stranger": True, "team_id": "T9"}, False),
        ({"team_id": "T9"}, False),
    ],
)
async def test_in_slack_a_guest_or_a_stranger_gets_one_sentence_and_no_answer(
    slack: SlackEmulator, tmp_path: Path, told: dict[str, object], is_answered: bool
) -> None:
    slack.users["UEVE"] = dict(told)
    async with slack_bot.running(slack, tmp_path, book=make_skillbook(tmp_path)) as bot:
        await slack.say("UEVE", "C1", f"{ME} hello")
        await bot.engine.have_settled(1)
        assert bool(bot.model.requests) is is_answered
        assert bool(slack.whispers) is not is_answered
