"""Laws of delivery: the final text always arrives, once, whole and in time; what is cancelled stops at once."""

import asyncio
import gc
import weakref
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.markup import for_discord
from bots.pace import Pace
from bots.reply import INTERRUPTED, deliver
from bots.splitting import split
from bots.surface import Busy, CannotAttach, Controls, File, MessageGone, Uncertain
from bots.writer import (
    FIRST_LOOK_SECONDS,
    GIVE_UP_AFTER_SECONDS,
    MAX_MESSAGES,
    SEE_ABOVE,
    UNFINISHED,
    Draft,
    Stage,
    Writer,
)
from engine import (
    CUT,
    IN_FILE,
    STOPPED_BY_PERSON,
    WRONG_ON_OUR_SIDE,
    AnswerStopped,
    Attachment,
    Author,
    Delivery,
    FileTooLarge,
    Finished,
    Message,
    MessageDeleted,
    NotAllowed,
    NotHere,
    Picture,
    Platform,
    QueueFull,
    Right,
    Scope,
    Step,
    Superseded,
    Text,
    UnknownCommand,
    Waiting,
    Whose,
    sentence,
    waiting,
)
from tests.virtual_time import run

LONG = "".join(f"Sentence number {number} says a little. " for number in range(20)).strip()

TICK = 1e-6  # what adding up floats may lose


def gaps(times):
    return [later - earlier for earlier, later in pairwise(times)]


@dataclass
class Pause:
    """In an answer's script: this long nothing comes."""

    seconds: float


class FakeEngine:
    """Answers with a script of events, pauses and errors; keeps what it is told."""

    def __init__(self, *script):
        self.script = script
        self.refs = []
        self.settled = []
        self.is_open = False
        self.num_given = 0
        self.num_deliveries = 0
        self.refusal = None
        self.pressure = Step.CALM

    async def respond(self, message):
        self.message = message
        self.is_open = True
        try:
            for step in self.script:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                elif isinstance(step, Exception):
                    raise step
                else:
                    self.num_given += 1
                    yield step
        finally:
            self.is_open = False

    def require_use(self, message):
        if self.refusal:
            raise self.refusal

    @contextmanager
    def delivery(self, message_id):
        self.num_deliveries += 1
        yield

    async def remember_reply(self, message_id, refs):
        self.refs.append(refs)

    async def settle(self, message_id):
        self.settled.append(message_id)


@dataclass
class FakeSurface:
    """Messages in a dictionary. `faults` are raised by the next writes, one each; a None is a write that works."""

    max_length: int = 100
    min_interval_seconds: float = 1.0
    write_seconds: float = 0.0
    faults: list = field(default_factory=list)
    messages: dict = field(default_factory=dict)
    history: list = field(default_factory=list)
    controls: dict = field(default_factory=dict)
    whispers: list = field(default_factory=list)
    whisper_fault: Exception | None = None

    def measure(self, text):
        return len(text)

    def render(self, text):
        return for_discord(text)

    async def post(self, text, controls):
        await self._write("post", text)
        ref = f"m{len(self.messages) + 1}"
        self.messages[ref], self.controls[ref] = text, controls
        return ref

    async def edit(self, ref, text, controls):
        await self._write("edit", text)
        assert ref in self.messages
        self.messages[ref], self.controls[ref] = text, controls

    async def whisper(self, text):
        if self.whisper_fault:
            raise self.whisper_fault
        self.whispers.append(text)

    async def _write(self, kind, text):
        assert len(text) <= self.max_length
        self.history.append((asyncio.get_running_loop().time(), kind, text))
        await asyncio.sleep(self.write_seconds)
        if self.faults and (fault := self.faults.pop(0)):
            raise fault

    @property
    def shown(self):
        return tuple(self.messages.values())

    @property
    def texts(self):
        return [text for _, _, text in self.history]

    @property
    def times(self):
        return [when for when, _, _ in self.history]


def delivery(*refs):
    scope = Scope(Platform.TERMINAL, "w", "c", "1")
    return Delivery(Message("m:1", scope, Author("u", "U"), "hi"), "here", refs)


def answer(text, *, every=0.1):
    """The script of an answer that comes word by word."""
    words = text.split(" ")
    deltas = [Text(word if index == 0 else " " + word) for index, word in enumerate(words)]
    return [*(step for delta in deltas for step in (delta, Pause(every))), Finished(text)]


def delivered(engine, surface, *refs):
    run(deliver(engine, delivery(*refs), surface))
    return surface.shown


def test_the_answer_arrives_streamed_and_is_settled():
    engine, surface = FakeEngine(*answer("one two three four", every=1.0)), FakeSurface()
    assert delivered(engine, surface) == ("one two three four",)
    assert surface.texts[0].endswith(UNFINISHED)
    assert len(surface.texts) > 2
    assert engine.settled == ["m:1"]
    assert engine.refs == [("m1",)]
    assert not engine.is_open


FAULTS = st.lists(
    st.one_of(st.none(), st.builds(Busy, st.floats(0, 20)), st.builds(OSError, st.just("reset"))), max_size=12
)


@given(faults=FAULTS, write_seconds=st.sampled_from([0, 0.4, 3.0]), every=st.sampled_from([0, 0.05, 1.5]))
@settings(max_examples=60, deadline=None)
def test_the_final_text_arrives_once_whatever_goes_wrong(faults, write_seconds, every):
    engine = FakeEngine(*answer(LONG, every=every))
    surface = FakeSurface(faults=faults, write_seconds=write_seconds)
    shown = delivered(engine, surface)
    assert " ".join(shown) == LONG
    assert engine.settled == ["m:1"]
    assert min(gaps(surface.times), default=1.0) > surface.min_interval_seconds - TICK


@given(
    st.lists(
        st.sampled_from(
            ["@every", "one ", "<@1", "23> ", "<", "@here", " ", "[a.com](https://", "evil.com)"]
        ),
        max_size=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_write_ever_holds_a_live_mention(deltas):
    text = "so " + "".join(deltas)
    script = [step for delta in ["so ", *deltas] for step in (Text(delta), Pause(1.1))]
    surface = FakeSurface()
    delivered(FakeEngine(*script, Finished(text)), surface)
    for written in surface.texts:
        assert "@everyone" not in written
        assert "@here" not in written
        assert "<@1" not in written
        assert "[a.com](https://evil" not in written


def test_a_burst_is_coalesced_and_the_engine_is_never_held_up():
    engine, surface = (
        FakeEngine(*[Text("word ")] * 5000, Finished("word " * 5000)),
        FakeSurface(max_length=2000, write_seconds=2.0),
    )

    async def scenario():
        task = asyncio.create_task(deliver(engine, delivery(), surface))
        while not surface.history:
            await asyncio.sleep(0.01)
        assert engine.num_given == 5001
        assert not engine.is_open
        await task

    run(scenario())
    assert len(surface.history) == len(split("word " * 5000, 2000, len))


def test_no_single_characters_are_posted_and_the_first_look_is_short():
    engine, surface = (
        FakeEngine(Text("H"), Pause(0.1), Text("ello "), Text("you"), Pause(5), Finished("Hello you")),
        FakeSurface(),
    )
    delivered(engine, surface)
    assert surface.texts == [f"Hello you{UNFINISHED}", "Hello you"]

    engine, surface = FakeEngine(Text("H"), Pause(5), Finished("Hi")), FakeSurface()
    delivered(engine, surface)
    assert surface.texts == [f"H{UNFINISHED}", "Hi"]
    assert surface.times[0] == pytest.approx(1000 + FIRST_LOOK_SECONDS)


def test_a_full_part_is_never_written_again():
    surface = FakeSurface()
    shown = delivered(FakeEngine(*answer(LONG, every=0.4)), surface)
    assert len(shown) > 5
    for part in shown:
        assert surface.texts.count(part) == 1
    assert surface.texts.index(shown[0]) < min(
        index for index, (_, kind, _) in enumerate(surface.history) if kind == "post" and index
    )


def test_an_open_fence_is_closed_while_it_streams():
    engine = FakeEngine(
        Text("Look:\n```py\nx = "), Pause(3), Text("1\n```"), Pause(3), Finished("Look:\n```py\nx = 1\n```")
    )
    surface = FakeSurface()
    delivered(engine, surface)
    assert surface.texts == [
        "Look:\n```py\nx =\n```\n…",
        "Look:\n```py\nx = 1\n```\n…",
        "Look:\n```py\nx = 1\n```",
    ]


def test_waiting_is_one_message_that_becomes_the_answer():
    engine = FakeEngine(Waiting(2, 9.0), Pause(3), Waiting(1), Pause(3), *answer("All is well", every=0.1))
    surface = FakeSurface()
    assert delivered(engine, surface) == ("All is well",)
    assert [kind for _, kind, _ in surface.history].count("post") == 1
    assert "number 2" in surface.texts[0]
    assert "next" in surface.texts[1]


def test_a_short_wait_is_not_shown():
    surface = FakeSurface()
    delivered(FakeEngine(Waiting(1), Pause(0.1), *answer("Here you are", every=0)), surface)
    assert surface.texts == ["Here you are"]


def test_a_persons_error_takes_the_place_of_the_waiting_message():
    error = UnknownCommand("@everyone", None)
    engine, surface = FakeEngine(Waiting(1), Pause(3), error), FakeSurface(max_length=2000)
    assert delivered(engine, surface) == (for_discord(sentence(error)),)
    assert engine.settled == ["m:1"]


def test_an_error_after_a_part_of_the_answer_keeps_the_part(caplog):
    engine, surface = (
        FakeEngine(Text("Try:\n```\nrm "), Pause(3), RuntimeError("boom")),
        FakeSurface(max_length=200),
    )
    assert delivered(engine, surface) == (f"Try:\n```\nrm\n```\n\n{INTERRUPTED} {WRONG_ON_OUR_SIDE}",)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "an answer failed"
    ]
    assert engine.settled == ["m:1"]


def test_references_are_kept_right_after_each_post():
    engine, surface = FakeEngine(*answer(LONG, every=0)), FakeSurface()
    shown = delivered(engine, surface)
    assert engine.refs == [
        tuple(f"m{number + 1}" for number in range(count + 1)) for count in range(len(shown))
    ]


def test_after_a_restart_the_old_messages_are_edited_and_what_is_left_over_says_so():
    surface = FakeSurface(messages={"m1": "old …", "m2": "old", "m3": "old"})
    assert delivered(FakeEngine(*answer("A short answer")), surface, "m1", "m2", "m3") == (
        "A short answer",
        SEE_ABOVE,
        SEE_ABOVE,
    )
    assert {kind for _, kind, _ in surface.history} == {"edit"}


def test_after_a_restart_a_longer_answer_posts_only_what_is_new():
    surface = FakeSurface(messages={"m1": "old"})
    assert " ".join(delivered(FakeEngine(*answer(LONG)), surface, "m1")) == LONG


def test_a_gone_message_cancels_the_answer_and_settles():
    engine, surface = FakeEngine(*answer(LONG, every=1.0)), FakeSurface(faults=[None, None, MessageGone()])
    delivered(engine, surface)
    assert len(surface.history) == 3
    assert engine.num_given < 10
    assert not engine.is_open
    assert engine.settled == ["m:1"]


def test_cancelling_frees_the_engine_within_one_turn_of_the_loop_and_does_not_settle():
    engine, surface = FakeEngine(*answer(LONG, every=1.0)), FakeSurface()

    async def scenario():
        task = asyncio.create_task(deliver(engine, delivery(), surface))
        await asyncio.sleep(3.5)
        assert engine.is_open
        task.cancel()
        await asyncio.sleep(0)
        assert not engine.is_open
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario())
    assert engine.settled == []


def test_a_post_under_way_when_cancelled_is_remembered():
    engine, surface = FakeEngine(*answer(LONG, every=1.0)), FakeSurface(write_seconds=2.0)

    async def scenario():
        task = asyncio.create_task(deliver(engine, delivery(), surface))
        await asyncio.sleep(1.0)
        assert len(surface.history) == 1
        task.cancel()
        await asyncio.wait((task,))

    run(scenario())
    assert engine.refs == [("m1",)]


def test_an_uncertain_post_of_a_whole_answer_is_not_repeated():
    engine, surface = FakeEngine(Finished("All of it")), FakeSurface(faults=[Uncertain()])
    delivered(engine, surface)
    assert surface.texts == ["All of it"]
    assert engine.settled == ["m:1"]


def test_after_an_uncertain_post_of_a_beginning_the_whole_answer_is_posted_once():
    engine, surface = FakeEngine(*answer("one two three four", every=2.0)), FakeSurface(faults=[Uncertain()])
    assert delivered(engine, surface) == ("one two three four",)
    assert len(surface.texts) == 2


def test_after_an_uncertain_beginning_the_whole_answer_has_its_controls_at_once():
    *script, finished = answer("one two three four", every=2.0)
    surface = FakeSurface(faults=[Uncertain()])
    delivered(FakeEngine(*script, replace(finished, skill="chat")), surface)
    assert len(surface.texts) == 2
    assert surface.controls == {"m1": Controls.RATE}


def test_what_can_not_be_written_is_given_up_in_the_end_and_not_settled(caplog):
    engine, surface = FakeEngine(Finished("All of it")), FakeSurface(faults=[OSError("no")] * 10_000)
    delivered(engine, surface)
    assert engine.settled == []
    assert GIVE_UP_AFTER_SECONDS <= surface.times[-1] - surface.times[0] < GIVE_UP_AFTER_SECONDS + 20
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


def test_busy_is_waited_out_and_then_only_the_newest_text_is_written():
    engine, surface = (
        FakeEngine(*answer("one two three four", every=1.0)),
        FakeSurface(faults=[None, Busy(30)]),
    )
    assert delivered(engine, surface) == ("one two three four",)
    assert surface.texts[2:] == ["one two three four"]
    assert surface.times[2] - surface.times[1] >= 30


def test_a_store_that_fails_does_not_keep_the_answer_from_the_person(caplog):
    engine, surface = FakeEngine(*answer("one two three")), FakeSurface()

    async def broken(*_):
        raise OSError("disk")

    engine.remember_reply = engine.settle = broken
    assert delivered(engine, surface) == ("one two three",)
    assert len(caplog.records) == 2


def test_answers_that_share_a_pace_take_turns():
    surfaces = [FakeSurface() for _ in range(4)]

    async def scenario():
        pace = Pace(1.0)
        engines = [
            FakeEngine(*answer("one two three four five six seven eight", every=2.0)) for _ in surfaces
        ]
        await asyncio.gather(
            *(
                deliver(engine, delivery(), surface, pace)
                for engine, surface in zip(engines, surfaces, strict=True)
            )
        )

    run(scenario())
    times = sorted(when for surface in surfaces for when in surface.times)
    assert min(gaps(times)) > 1.0 - TICK
    counts = [len(surface.times) for surface in surfaces]
    assert max(counts) - min(counts) <= 1
    assert all(surface.shown == ("one two three four five six seven eight",) for surface in surfaces)


def test_a_held_pace_holds_everybody_and_eases_back():
    async def scenario():
        pace, times = Pace(1.0), []
        await pace.turn()
        pace.hold(10)
        for _ in range(12):
            await pace.turn()
            times.append(asyncio.get_running_loop().time())
        return times

    times = run(scenario())
    assert times[0] == pytest.approx(1010)
    assert gaps(times)[0] > gaps(times)[1] > 1.0
    assert gaps(times)[-1] == pytest.approx(1.0)


# Refusals


REFUSALS = [NotAllowed(Right.USE, "triage"), NotHere("triage"), QueueFull(5, Whose.PERSON)]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: type(one).__name__)
def test_a_refusal_is_heard_by_its_person_alone(refusal):
    engine, surface = FakeEngine(refusal), FakeSurface()
    assert delivered(engine, surface) == ()
    assert surface.whispers == [sentence(refusal)]
    assert engine.settled == ["m:1"]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: type(one).__name__)
def test_a_refusal_that_cannot_be_whispered_is_posted(refusal, caplog):
    engine, surface = FakeEngine(refusal), FakeSurface(max_length=2000, whisper_fault=OSError("no"))
    assert delivered(engine, surface) == (sentence(refusal),)
    assert engine.settled == ["m:1"]


def test_a_refusal_takes_the_place_of_what_stands_there():
    surface = FakeSurface(max_length=2000, messages={"m1": "old"})
    assert delivered(FakeEngine(REFUSALS[0]), surface, "m1") == (sentence(REFUSALS[0]),)
    assert surface.whispers == []


def test_who_is_gone_hears_no_refusal():
    engine, surface = FakeEngine(REFUSALS[0]), FakeSurface(whisper_fault=MessageGone())
    assert delivered(engine, surface) == ()
    assert engine.settled == ["m:1"]


# Stopped, deleted, edited


def test_a_stopped_answer_ends_with_what_was_written_and_says_so():
    engine = FakeEngine(Text("Well, it "), Pause(3), AnswerStopped())
    surface = FakeSurface()
    assert delivered(engine, surface) == (f"Well, it\n\n{STOPPED_BY_PERSON}",)
    assert surface.controls == {"m1": Controls.NONE}
    assert engine.settled == ["m:1"]


def test_one_that_was_stopped_in_line_says_so_in_the_waiting_message():
    surface = FakeSurface()
    assert delivered(FakeEngine(Waiting(2), Pause(3), AnswerStopped()), surface) == (STOPPED_BY_PERSON,)


def test_nothing_is_said_to_a_message_that_was_deleted_in_time():
    engine, surface = FakeEngine(MessageDeleted()), FakeSurface()
    assert delivered(engine, surface) == ()
    assert engine.settled == ["m:1"]


def test_what_stands_there_when_the_message_is_deleted_is_ended():
    surface = FakeSurface()
    shown = delivered(FakeEngine(Text("Well, it "), Pause(3), MessageDeleted()), surface)
    assert shown == (f"Well, it\n\n{STOPPED_BY_PERSON}",)


def test_a_superseded_answer_writes_nothing_more_and_is_not_settled():
    engine, surface = FakeEngine(Text("Well, it "), Pause(3), Superseded()), FakeSurface()
    assert delivered(engine, surface) == (f"Well, it{UNFINISHED}",)
    assert engine.settled == []
    assert engine.refs == [("m1",)]


# Controls


def test_what_grows_can_be_stopped_and_a_whole_answer_can_be_judged():
    surface = FakeSurface()
    seen = []

    async def scenario():
        script = [Waiting(1), Pause(3), Text("one two "), Pause(3), Finished("one two three", "chat")]
        task = asyncio.create_task(deliver(FakeEngine(*script), delivery(), surface))
        for _ in range(2):
            await asyncio.sleep(2.5)
            seen.append(dict(surface.controls))
        await task

    run(scenario())
    assert seen == [{"m1": Controls.STOP}] * 2
    assert surface.controls == {"m1": Controls.RATE}


@given(every=st.sampled_from([0, 0.05, 0.4, 1.5]), skill=st.sampled_from([None, "chat"]))
@settings(max_examples=20, deadline=None)
def test_at_every_moment_at_most_one_message_has_controls_and_in_the_end_the_last(every, skill):
    class Watched(FakeSurface):
        async def _write(self, kind, text):
            await super()._write(kind, text)
            assert sum(one is not Controls.NONE for one in self.controls.values()) <= 1

    surface = Watched()
    *script, finished = answer(LONG, every=every)
    shown = delivered(FakeEngine(*script, replace(finished, skill=skill)), surface)
    last = Controls.NONE if skill is None else Controls.RATE
    assert list(surface.controls.values()) == [Controls.NONE] * (len(shown) - 1) + [last]


@pytest.mark.parametrize("error", [UnknownCommand("x", None), RuntimeError("boom")])
def test_an_error_can_be_neither_stopped_nor_judged(error, caplog):
    surface = FakeSurface(max_length=2000)
    delivered(FakeEngine(Text("one two "), Pause(3), error), surface)
    assert surface.controls == {"m1": Controls.NONE}


# Long answers


@dataclass
class FakeShelf(FakeSurface):
    """A surface that takes files. `attach_faults` are raised by the next ones."""

    files: dict = field(default_factory=dict)
    attach_faults: list = field(default_factory=list)

    async def attach(self, file, words, controls):
        if self.attach_faults and (fault := self.attach_faults.pop(0)):
            raise fault
        ref = await self.post(words, controls)
        self.files[ref] = file
        return ref


def test_an_answer_of_more_than_three_messages_ends_as_a_file():
    *script, finished = answer(LONG, every=0.4)
    surface = FakeShelf()
    engine = FakeEngine(*script, replace(finished, skill="chat"))
    shown = delivered(engine, surface)
    assert shown[:MAX_MESSAGES] == split(LONG, 100, len)[:MAX_MESSAGES]
    assert shown[MAX_MESSAGES:] == (IN_FILE,)
    assert surface.files == {"m4": File.of_text("chat.md", LONG)}
    assert list(surface.controls.values()) == [Controls.NONE] * 3 + [Controls.RATE]
    assert engine.refs[-1] == ("m1", "m2", "m3", "m4")
    assert engine.settled == ["m:1"]


def test_an_answer_of_three_messages_has_no_file():
    text = " ".join(split(LONG, 100, len)[:3])
    surface = FakeShelf()
    assert " ".join(delivered(FakeEngine(Finished(text)), surface)) == text
    assert surface.files == {}


def test_after_a_restart_the_file_comes_after_what_stands_there():
    old = {f"m{number}": "old" for number in range(1, 6)}
    surface = FakeShelf(messages=old)
    shown = delivered(FakeEngine(Finished(LONG, "chat")), surface, *old)
    assert shown == (*split(LONG, 100, len)[:3], SEE_ABOVE, SEE_ABOVE, IN_FILE)
    assert surface.files == {"m6": File.of_text("chat.md", LONG)}
    assert list(surface.controls.values()) == [Controls.NONE] * 5 + [Controls.RATE]


def test_json_is_a_json_file():
    surface = FakeShelf()
    delivered(FakeEngine(Finished("[" + "1, " * 300 + "1]", "actions")), surface)
    assert surface.files["m4"].name == "actions.json"


@pytest.mark.parametrize("fault", [CannotAttach(), OSError("reset")], ids=["never", "not now"])
def test_a_file_that_cannot_be_sent_is_tried_again_or_posted(fault, caplog):
    surface = FakeShelf(attach_faults=[fault])
    shown = delivered(FakeEngine(Finished(LONG, "chat")), surface)
    if isinstance(fault, CannotAttach):
        assert " ".join(shown) == LONG
    else:
        assert surface.files["m4"].content.decode() == LONG
    assert list(surface.controls.values()) == [Controls.NONE] * (len(shown) - 1) + [Controls.RATE]


# Pictures, and what can be pressed

PICTURE = Picture("curve.png", b"\x89PNG", "From 40 % to 80 %.", "▁▃▇")


@pytest.mark.parametrize(
    "fault", [None, CannotAttach(), OSError("reset")], ids=["at once", "never", "not now"]
)
def test_a_picture_stands_under_the_text_and_where_none_can_be_sent_it_is_drawn_in_words(fault, caplog):
    surface = FakeShelf(attach_faults=[] if fault is None else [fault])
    shown = delivered(FakeEngine(Text("The curve:"), Finished("The curve:", picture=PICTURE)), surface)
    if isinstance(fault, CannotAttach):
        assert shown == ("The curve:\n\n```\n▁▃▇\n```",)
    else:
        assert shown == ("The curve:", PICTURE.alt)
        assert surface.files == {"m2": File("curve.png", PICTURE.png, "image/png", PICTURE.alt)}


def test_a_place_without_files_draws_a_picture_in_words():
    surface = FakeSurface(max_length=2000)
    assert delivered(FakeEngine(Finished("See:", picture=PICTURE)), surface) == ("See:\n\n```\n▁▃▇\n```",)


def test_what_can_be_pressed_follows_from_the_answer():
    surface = FakeSurface(max_length=2000)
    delivered(FakeEngine(Finished("Hm.", "triage", is_unsure=True, has_reason=True)), surface)
    assert surface.controls == {"m1": Controls(can_rate=True, has_reason=True, can_teach=True)}
    surface = FakeSurface(max_length=2000)
    delivered(FakeEngine(Finished("Two wait.", proposals=(3, 8))), surface)
    assert surface.controls == {"m1": Controls(proposals=(3, 8))}


# What is fetched first, and other pens


def test_what_is_slow_to_fetch_is_brought_before_the_answer():
    engine, surface = FakeEngine(Finished("Read.", "chat")), FakeSurface()

    async def complete(message):
        await asyncio.sleep(2)
        return replace(message, attachments=(Attachment("a.log", "x"),))

    run(deliver(engine, delivery(), surface, complete=complete))
    assert engine.message.attachments == (Attachment("a.log", "x"),)
    assert surface.shown == ("Read.",)


def test_nothing_is_fetched_for_somebody_who_may_not_ask():
    engine, surface = FakeEngine(Finished("never")), FakeSurface()
    engine.refusal = REFUSALS[0]
    fetched = []

    async def complete(message):
        fetched.append(message)
        return message

    run(deliver(engine, delivery(), surface, complete=complete))
    assert fetched == []
    assert surface.whispers == [sentence(REFUSALS[0])]


@pytest.mark.parametrize("error", [FileTooLarge("a.log", 1000), RuntimeError("boom")])
def test_what_cannot_be_fetched_is_said(error, caplog):
    engine, surface = FakeEngine(Finished("never")), FakeSurface(max_length=2000)

    async def complete(_message):
        raise error

    run(deliver(engine, delivery(), surface, complete=complete))
    assert surface.shown == (sentence(error),)
    assert engine.num_given == 0
    assert engine.settled == ["m:1"]


def test_a_place_may_bring_its_own_pen():
    class Pen:
        def __init__(self, refs, remember):
            self.refs, self.remember, self.drafts = refs, remember, []
            self.ended = asyncio.Event()

        def show(self, draft):
            self.drafts.append(draft)
            if draft.stage is Stage.FINAL:
                self.ended.set()

        async def run(self):
            await self.ended.wait()
            await self.remember(("p1",))

    pens = []

    def make_pen(refs, remember):
        pens.append(Pen(refs, remember))
        return pens[0]

    engine, surface = FakeEngine(Waiting(1, 2.0), Finished("All.", "chat")), FakeSurface()
    run(deliver(engine, delivery("r1"), surface, make_pen=make_pen))
    assert pens[0].refs == ("r1",)
    assert pens[0].drafts == [
        Draft(waiting(1, 2.0), Stage.NOTICE, waiting=Waiting(1, 2.0)),
        Draft("All.", Stage.FINAL, "chat", controls=Controls.RATE),
    ]
    assert engine.refs == [("p1",)]
    assert surface.shown == ()
    assert engine.settled == ["m:1"]


def test_an_answer_that_was_cut_says_so():
    surface = FakeSurface(max_length=2000)
    delivered(FakeEngine(Finished("First we", "chat", is_cut=True)), surface)
    assert surface.shown == (f"First we\n\n{CUT}",)


def test_an_answer_to_a_part_of_a_conversation_says_how_much_is_missing():
    surface = FakeSurface(max_length=2000)
    delivered(FakeEngine(Finished("They met.", "summarize", num_left_out=3)), surface)
    assert surface.shown == ("They met.\n\n(3 older messages had no room.)",)


def test_a_writer_is_let_go_with_its_answer_and_waits_for_no_collector():
    async def written():
        surface = FakeSurface(max_length=40)

        async def remember(_):
            pass

        writer = Writer(surface, None, (), remember)
        writer.show(Draft(LONG, Stage.FINAL))
        await writer.run()
        assert len(surface.shown) > 1
        return weakref.ref(writer)

    gc.disable()
    try:
        assert run(written())() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("num_steps", range(6))
async def test_a_writer_that_is_cancelled_as_its_text_comes_ends(num_steps):
    """Also where both happen in the same step of the loop; here it would go on for ever."""

    class Unreachable(FakeSurface):
        async def _write(self, kind, text):
            raise OSError(kind)

    async def remember(refs):
        raise AssertionError(refs)

    writer = Writer(Unreachable(), None, (), remember)
    writer.show(Draft("one", Stage.PARTIAL))  # too little to begin with
    writing = asyncio.create_task(writer.run())
    for _ in range(5):
        await asyncio.sleep(0)
    writer.show(Draft("one two three", Stage.FINAL))
    for _ in range(num_steps):
        await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait((writing,), timeout=5)
    assert writing.cancelled()
