"""Laws of teaching, on the straight line: who may, what is held back, what is written, and that the next answer knows it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Engine, Skillbook, Store
from engine.answer import Finished
from engine.configschema import AccessConfig, Limits, TeachingConfig
from engine.errors import FileFaults, NotAllowed, TeachingRefused, UnderstudyError, UnknownCommand
from engine.feedback import Proposal
from engine.inference import Request
from engine.message import Author, Message, Platform, Scope
from tests.fakes import TEST_SCOPE, FakeInference, collect, make_message

CHAT = "description: Talk\ninstructions: You talk.\nmemory: conversation\n"
TRIAGE = """\
description: How urgent is it?   # in a word
instructions: Say how urgent it is.
choices: [urgent, low]

examples:
  - {input: The site is down, output: urgent}

# the end
"""
TONE = """\
description: Another tone
instructions: Rewrite it.
inputs:
  text: {description: The message, required: true}
  tone: {description: How, choices: [soft, hard]}
"""
TEAM = replace(TEST_SCOPE, platform=Platform.SLACK)
ADA, BOB, EVE, ROOT = Author("U1", "Ada"), Author("U2", "Bob"), Author("U3", "Eve"), Author("U9", "Root")
ACCESS = AccessConfig(use=("U1", "U2", "U3"), teach=("U1", "U2"), admin=("U9",))


@asynccontextmanager
async def classroom(
    folder: Path, model: FakeInference | None = None, rules: TeachingConfig | None = None
) -> AsyncGenerator[Engine]:
    skills = folder / "skills"
    skills.mkdir(exist_ok=True)
    for name, page in (("chat", CHAT), ("triage", TRIAGE), ("tone", TONE)):
        if not (skills / f"{name}.yaml").exists():
            (skills / f"{name}.yaml").write_text(page)
    book = Skillbook(skills)
    assert not book.load().faults
    store = await Store.open(folder / "understudy.db")
    try:
        engine = Engine(
            inference=model or FakeInference(),
            skillbook=book,
            store=store,
            limits=Limits(),
            default_skill="chat",
            versions_folder=folder / "versions",
            teaching=rules or TeachingConfig(),
            access=ACCESS,
        )
        yield engine
        await engine.close()
    finally:
        await store.close()


def said(text: str, author: Author = ADA, scope: Scope = TEAM) -> Message:
    return make_message(text, scope=scope, author=author)


async def answer(engine: Engine, text: str, author: Author = ADA, scope: Scope = TEAM) -> str:
    finished = (await collect(engine.respond(said(text, author, scope))))[-1]
    assert isinstance(finished, Finished)
    return finished.text


def page_of(folder: Path, name: str = "triage") -> str:
    return (folder / "skills" / f"{name}.yaml").read_text()


def asked(model: FakeInference) -> Request:
    """The newest that somebody waits for."""
    return next(one for one in reversed(model.requests) if not one.is_background)


def with_line(*lines: str) -> str:
    first = "  - {input: The site is down, output: urgent}\n"
    return TRIAGE.replace(first, first + "".join(f"  - {line}\n" for line in lines))


async def test_what_is_taught_stands_in_the_file_and_in_the_next_prompt_and_undo_gives_the_old_bytes(
    tmp_path: Path,
) -> None:
    model = FakeInference()
    async with classroom(tmp_path, model) as engine:
        told = await answer(engine, "/teach triage the coffee is cold => LOW")
        assert "+  - {input: the coffee is cold, output: low}" in told
        assert "/undo triage" in told
        assert page_of(tmp_path) == with_line("{input: the coffee is cold, output: low}")
        await answer(engine, "/triage a low thing", BOB)
        assert [one.content for one in asked(model).prompt.fixed[3:]] == ["the coffee is cold", "low"]
        assert "-  - {input: the coffee is cold" in await answer(engine, "/undo")
        assert page_of(tmp_path) == TRIAGE
        await answer(engine, "/triage a low thing", BOB)
        assert len(asked(model).prompt.fixed) == 3
        with pytest.raises(TeachingRefused):
            await answer(engine, "/undo triage")


async def test_who_may_only_use_it_leaves_a_proposal_and_a_teacher_decides(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        told = await answer(engine, "!teach triage the coffee is cold => low", EVE)
        assert "proposal 1" in told
        assert page_of(tmp_path) == TRIAGE
        assert "Nothing waits" in await answer(engine, "/proposals", EVE)
        listed = await answer(engine, "/proposals")
        assert "**1** for `/triage`, by Eve" in listed
        assert "+  - {input: the coffee is cold, output: low}" in listed
        for command in ("/accept 1", "/drop 1", "/accept 1 => urgent", "/undo triage"):
            with pytest.raises(UnderstudyError):
                await answer(engine, command, EVE)
        assert page_of(tmp_path) == TRIAGE
        assert "Taught" in await answer(engine, "/accept 1", BOB)
        assert page_of(tmp_path) == with_line("{input: the coffee is cold, output: low}")
        with pytest.raises(TeachingRefused, match="accepted already"):
            await answer(engine, "/accept 1")
        assert "Nothing waits" in await answer(engine, "/proposals")


async def test_a_proposal_is_edited_or_dropped(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        await answer(engine, "/teach triage the coffee is cold => urgent", EVE)
        await answer(engine, "/teach triage free beer => urgent", EVE)
        with pytest.raises(TeachingRefused, match="cannot answer"):
            await answer(engine, "/accept 1 => never")
        assert "output: low" in await answer(engine, "/accept #1 => low")
        assert "dropped" in await answer(engine, "/drop 2")
        assert page_of(tmp_path) == with_line("{input: the coffee is cold, output: low}")
        for command in ("/accept 2", "/accept 3", "/accept", "/drop x"):
            with pytest.raises(TeachingRefused):
                await answer(engine, command)


async def test_a_proposal_is_accepted_with_other_words_on_both_sides(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        await answer(engine, "/teach triage the coffee is cold => low", EVE)
        for wrong in ("/accept 1 =>", "/accept 1 the tea", "/accept 1 the tea => never"):
            with pytest.raises(TeachingRefused):
                await answer(engine, wrong)
        assert page_of(tmp_path) == TRIAGE
        assert "Taught" in await answer(engine, "/accept 1 the tea is cold => URGENT")
        assert page_of(tmp_path) == with_line("{input: the tea is cold, output: urgent}")


async def test_proposals_of_another_workspace_are_not_there(tmp_path: Path) -> None:
    elsewhere = replace(TEAM, workspace="T2")
    async with classroom(tmp_path) as engine:
        await answer(engine, "/teach triage our secret plan => low", EVE)
        assert "secret" not in await answer(engine, "/proposals", ADA, elsewhere)
        with pytest.raises(TeachingRefused, match="no proposal"):
            await answer(engine, "/accept 1", ADA, elsewhere)


@pytest.mark.threat("S3", "an example that contradicts what is taught, or nearly")
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/teach triage the site  is DOWN! => low", "contradicts it"),
        ("/teach triage The site is down! => urgent", None),
        ("/teach triage the sites is down => low", "may contradict it"),
        ("/teach triage the sites is down => urgent", "is nearly the same"),
    ],
)
async def test_contradictions_and_doubles_are_said_before_anything_is_written(
    tmp_path: Path, command: str, words: str | None
) -> None:
    async with classroom(tmp_path) as engine:
        if words is None:
            with pytest.raises(TeachingRefused, match="already"):
                await answer(engine, command)
            assert "Nothing waits" in await answer(engine, "/proposals")
            return
        told = await answer(engine, command)
        assert words in told
        assert "Example 1" in told
        assert page_of(tmp_path) == TRIAGE
        assert words in await answer(engine, "/proposals", BOB)
        await answer(engine, "/accept 1")
        assert page_of(tmp_path) != TRIAGE


@pytest.mark.threat("S3", "one person teaches more than their share of a skill")
async def test_a_person_has_a_share_and_an_admin_may_give_more(tmp_path: Path) -> None:
    rules = TeachingConfig(max_share=0.3, free_examples=2)
    texts = ["alpha", "bravo seven", "charlie x"]
    async with classroom(tmp_path, rules=rules) as engine:
        for text in texts[:2]:
            assert "Taught" in await answer(engine, f"/teach triage {text} => low")
        assert "proposal 1" in await answer(engine, f"/teach triage {texts[2]} => low")
        with pytest.raises(TeachingRefused, match="2 of the 3 examples"):
            await answer(engine, "/accept 1", BOB)
        assert "Taught" in await answer(engine, "/accept 1", ROOT)
        assert "Taught" in await answer(engine, "/teach triage delta force => low", BOB)
        await answer(engine, "/undo triage", BOB)
        for text in ("echo one", "foxtrot", "golf on grass"):
            assert "Taught" in await answer(engine, f"/teach triage {text} => low", ROOT)
        terminal = replace(TEAM, platform=Platform.TERMINAL)
        for number in range(5):
            assert "Taught" in await answer(
                engine, f"/teach triage {'xyzuv'[number] * 9} => low", EVE, terminal
            )


async def test_two_teachers_at_once_both_end_up_in_the_file(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        words = ["alpha", "bravo seven", "charlie x", "delta force", "echo", "foxtrot in red"]
        commands = [
            answer(engine, f"/teach triage {word} => low", (ADA, BOB)[number % 2])
            for number, word in enumerate(words)
        ]
        await asyncio.gather(*commands)
        skill = engine.skillbook.get("triage")
        assert skill is not None
        assert {one.inputs["text"] for one in skill.examples[1:]} == set(words)


async def test_one_proposal_accepted_by_two_at_once_is_taught_once(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        await answer(engine, "/teach triage the coffee is cold => low", EVE)
        done = await asyncio.gather(
            answer(engine, "/accept 1"), answer(engine, "/accept 1", BOB), return_exceptions=True
        )
        assert sorted(isinstance(one, TeachingRefused) for one in done) == [False, True]
        assert page_of(tmp_path) == with_line("{input: the coffee is cold, output: low}")


async def test_an_undo_that_is_delivered_twice_takes_back_one_example(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        for text in ("alpha", "bravo seven"):
            await answer(engine, f"/teach triage {text} => low")
        message = said("/undo triage")
        await collect(engine.respond(message))
        with pytest.raises(TeachingRefused):
            await collect(engine.respond(message))
        assert page_of(tmp_path) == with_line("{input: alpha, output: low}")


async def test_forget_takes_the_name_and_leaves_what_was_taught(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        await answer(engine, "/teach triage the coffee is cold => low")
        await answer(engine, "/teach triage free beer => urgent", EVE)
        await answer(engine, "/drop 1")
        assert [one.author.name for one in await engine._store.lessons.of("triage")] == ["Ada"]
        await answer(engine, "/forget")
        (lesson,) = await engine._store.lessons.of("triage")
        assert (lesson.author.id, lesson.author.name, lesson.source, lesson.message_id) == ("", "", "", "")
        kept = await engine._store.opinions.proposal(1)
        assert kept is not None
        assert kept.decided_by.id == ""
        assert "coffee" in page_of(tmp_path)
        await answer(engine, "/undo triage", BOB)
        assert page_of(tmp_path) == TRIAGE
    for file in tmp_path.glob("versions/**/*.json"):
        assert "Ada" not in file.read_text()
        assert "U1" not in file.read_text()


async def test_inputs_are_given_as_in_a_call(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        await answer(engine, "/teach tone tone=SOFT Send it. => Could you send it?")
        await answer(engine, "/teach tone two\nlines\n=>\na => b\nand more")
        skill = engine.skillbook.get("tone")
        assert skill is not None
        assert [(dict(one.inputs), one.output) for one in skill.examples] == [
            ({"text": "Send it.", "tone": "soft"}, "Could you send it?"),
            ({"text": "two\nlines"}, "a => b\nand more"),
        ]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/teach", "Write it like this"),
        ("/teach triage", "Write it like this"),
        ("/teach triage x =>", "Write it like this"),
        ("/teach triage a => b => low", "more than one"),
        ("/teach triage a => lukewarm", "urgent, low"),
        ("/teach triag a => low", "triage"),
        ("/teach tone tone=loud a => b", "soft, hard"),
    ],
)
async def test_what_is_written_wrong_is_told_and_nothing_is_changed(
    tmp_path: Path, command: str, words: str
) -> None:
    from engine import sentence

    async with classroom(tmp_path) as engine:
        with pytest.raises(UnderstudyError) as wrong:
            await answer(engine, command)
        assert words in sentence(wrong.value)
        assert page_of(tmp_path) == TRIAGE


async def test_a_file_with_faults_is_told_and_left_alone(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        (tmp_path / "skills" / "triage.yaml").write_text("description: half")
        with pytest.raises(FileFaults):
            await answer(engine, "/teach triage the coffee is cold => low")
        assert page_of(tmp_path) == "description: half"


NEW = "/skill new mood\nHappy or grumpy?\nchoices: happy, grumpy\nBest release => happy\nIt is broken: again => grumpy"


async def test_a_skill_is_made_in_chat_and_answers_at_once(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        assert "`/mood` is there" in await answer(engine, NEW)
        assert await answer(engine, "/mood so grumpy") == "grumpy"
        assert '- input: "It is broken: again"\n    output: grumpy\n' in page_of(tmp_path, "mood")
        for command in (
            NEW,
            NEW.replace("mood", "teach"),
            NEW.replace("mood", "Up Side"),
            "/skill",
            "/skill new x",
        ):
            with pytest.raises(UnderstudyError):
                await answer(engine, command)
        for spoilt in (
            NEW.replace("mood", "x1").replace("happy\nIt", "sad\nIt"),
            NEW.replace("mood", "x2") + "\nno arrow",
        ):
            with pytest.raises(UnderstudyError):
                await answer(engine, spoilt)
        with pytest.raises(NotAllowed):
            await answer(engine, NEW.replace("mood", "other"), EVE)
    assert sorted(path.stem for path in (tmp_path / "skills").iterdir()) == ["chat", "mood", "tone", "triage"]


@pytest.mark.parametrize(
    ("skill", "correction", "command"),
    [
        ("/triage it is raining", "no, that should be low", "/teach triage it is raining => low"),
        ("/triage it is raining", "That should have been Low.", "/teach triage it is raining => low"),
        ("/triage it is raining", "nope, it's low!", "/teach triage it is raining => low"),
        ("/triage it is raining", "No, low", "/teach triage it is raining => low"),
        ("/triage it is raining", "the right answer is low", "/teach triage it is raining => low"),
        (
            "/tone tone=soft Send it.",
            'no, that should be: "Please send it."',
            '/teach tone tone="soft" Send it. => Please send it.',
        ),
        ("/triage a => b", "no, that should be low", "/teach triage a => b\n=>\nlow"),
    ],
)
async def test_a_correction_under_a_skills_answer_offers_to_be_taught_and_teaches_nothing(
    tmp_path: Path, skill: str, correction: str, command: str
) -> None:
    async with classroom(tmp_path) as engine:
        await answer(engine, skill)
        told = await answer(engine, correction)
        assert command in told
        assert page_of(tmp_path) == TRIAGE
        assert page_of(tmp_path, "tone") == TONE
        assert "Taught" in await answer(engine, command)


@pytest.mark.parametrize(
    "text",
    [
        "no, that should be fine",
        "no, I meant tomorrow",
        "that should be shorter",
        "low",
        "why? it should be low",
    ],
)
async def test_what_is_no_correction_is_answered_as_ever(tmp_path: Path, text: str) -> None:
    async with classroom(tmp_path) as engine:
        for before in ("/triage it is raining", "/tone Send it.", "hello"):
            await answer(engine, before)
            if before == "hello" or text != "low":
                assert await answer(engine, text) == text
        await answer(engine, "hello")
        assert await answer(engine, "no, that should be low") == "no, that should be low"


async def test_the_rights_are_asked_for_at_each_call(tmp_path: Path) -> None:
    async with classroom(tmp_path) as engine:
        proposal = Proposal("triage", {"text": "the coffee is cold"}, "low", EVE, TEAM)
        number = await engine.propose(proposal)
        for call in (
            engine.accept_proposal(number, EVE, TEAM),
            engine.edit_proposal(number, {"text": "x"}, "low", EVE, TEAM),
            engine.drop_proposal(number, EVE, TEAM),
            engine.propose(replace(proposal, author=Author("U7", "Mallory"))),
            engine.teach(replace(proposal, author=Author("U7", "Mallory"))),
        ):
            with pytest.raises(NotAllowed):
                await call
        with pytest.raises(UnknownCommand):
            await engine.propose(replace(proposal, skill="triag"))
        assert [one.number for one in await engine.open_proposals(ADA, TEAM)] == [number]
        assert await engine.open_proposals(EVE, TEAM) == ()
        preview = await engine.preview(proposal)
        assert len(preview.after.examples) == len(preview.before.examples) + 1
        await engine.edit_proposal(number, {"text": "cold tea"}, "low", ADA, TEAM)
        written = await engine.accept_proposal(number, BOB, TEAM)
        assert written.new.examples[-1].inputs["text"] == "cold tea"
        assert [one.author.name for one in await engine._store.lessons.of("triage")] == ["Eve"]


async def test_teach_alone_says_how_or_what_would_teach_most_where_that_is_wanted(tmp_path: Path) -> None:
    rules = TeachingConfig(suggestions=True)
    async with classroom(tmp_path, FakeInference(embedding_length=64), rules) as engine:
        with pytest.raises(TeachingRefused, match="Write it like this"):
            await answer(engine, "/teach")
        await answer(engine, "/triage the printer is on fire", EVE)
        told = await answer(engine, "/teach")
        assert "/teach triage the printer is on fire => " in told
        with pytest.raises(TeachingRefused, match="Write it like this"):
            await answer(engine, "/teach")
