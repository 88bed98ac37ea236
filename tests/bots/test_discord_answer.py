"""An answer goes on where it can: by token, then in the channel, in a thread where one is wanted, and never twice."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from bots.discord_answer import ChannelAnswer, InteractionAnswer, Question, ThreadAnswer
from bots.discord_api import Forbidden, MaybeSent, Refused, TokenWorn
from bots.discord_events import InteractionAddress
from bots.pace import Pace
from bots.surface import CannotAttach, Controls, File, Uncertain
from engine import DiscordWord

NONE, STOP = Controls.NONE, Controls.STOP
WHOLE = File.of_text("a.md", "whole")


@dataclass
class FakeApi:
    """Keeps what was written; a message with a known nonce is the message that is there."""

    sent: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    bodies: list[Mapping[str, Any]] = field(default_factory=list)
    is_worn: bool = False
    errors: list[Exception] = field(default_factory=list)
    thread_error: Exception | None = None

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        file: File | None = None,
        **parameters: int | str,
    ) -> Any:
        text = (body or {}).get("content", "")
        self.bodies.append(body or {})
        if path.startswith("/webhooks/"):
            return self._by_token(method, path, text, file)
        if path.endswith("/threads"):
            self.log.append(f"open {(body or {})['name']}")
            if self.thread_error is not None:
                raise self.thread_error
            return {}
        where = parameters["channel_id"]
        if method == "PATCH":
            self.log.append(f"edit {where}/{parameters['message_id']} {text}")
            return {}
        if self.errors:
            raise self.errors.pop()
        self.log.append(f"send {where} {text}{f' +{file.name}' if file else ''}")
        nonce = str((body or {})["nonce"])
        number = 1000 + [*self.sent, nonce].index(nonce)
        return {"id": str(number), "content": self.sent.setdefault(nonce, text)}

    async def fetch(self, url: str, max_bytes: int) -> bytes:
        raise NotImplementedError

    def _by_token(self, method: str, path: str, text: str, file: File | None) -> Any:
        if self.is_worn:
            raise TokenWorn
        if self.errors:
            raise self.errors.pop()
        name = path.rpartition("/")[2]
        if method == "POST":
            self.log.append(f"follow up {text}{f' +{file.name}' if file else ''}")
            return {"id": "55", "content": text}
        self.log.append(f"{'delete' if method == 'DELETE' else 'edit'} {name} {text}".strip())
        return {}


def response(api: FakeApi, age_seconds: float = 0.0, num_posted: int = 0) -> InteractionAnswer:
    milliseconds = int((time.time() - age_seconds - 1_420_070_400) * 1000)
    address = InteractionAddress(1, milliseconds << 22, 3, "token")
    question = Question("discord:i:7", 1, address.interaction_id, num_posted)
    return InteractionAnswer(api, question, 0.0, address, Pace(0.0))


def in_channel(api: FakeApi, num_posted: int = 0) -> ChannelAnswer:
    return ChannelAnswer(api, Question("discord:7", 1, 7, num_posted), 0.0)


def in_thread(api: FakeApi, num_posted: int = 0) -> ThreadAnswer:
    return ThreadAnswer(api, Question("discord:7", 1, 7, num_posted, "what is up?"), 0.0)


async def test_the_first_part_is_the_response_and_the_next_follow_up() -> None:
    api = FakeApi()
    answer = response(api)
    refs = [await answer.post("one", STOP), await answer.post("two", STOP)]
    for ref in refs:
        await answer.edit(ref, "new", NONE)
    assert api.log == ["edit @original one", "follow up two", "edit @original new", "edit 55 new"]


async def test_after_a_restart_the_response_is_there_already() -> None:
    api = FakeApi()
    await response(api, num_posted=1).post("two", NONE)
    assert api.log == ["follow up two"]


async def test_a_token_that_discord_refuses_moves_the_part_to_the_channel_once() -> None:
    api = FakeApi(is_worn=True)
    answer = response(api)
    await answer.edit("@original", "one", STOP)
    await answer.edit("@original", "one more", STOP)
    await answer.post("two", NONE)
    assert [line.split(" ", 1)[1] for line in api.log] == ["1 one", "1/1000 one more", "1 two"]


async def test_a_token_is_left_in_time_and_what_stands_there_says_so() -> None:
    api = FakeApi()
    answer = response(api, age_seconds=14.5 * 60)
    await answer.edit("@original", "one", STOP)
    await answer.edit("@original", "one more", NONE)
    assert api.log == ["send 1 one", f"edit @original {DiscordWord.GOES_ON_BELOW}", "edit 1/1000 one more"]


async def test_a_post_that_is_repeated_brings_the_message_that_is_there_up_to_date() -> None:
    api = FakeApi()
    ref = await in_channel(api).post("half", STOP)
    assert await in_channel(api).post("whole", NONE) == ref
    assert api.log == ["send 1 half", "send 1 whole", "edit 1/1000 whole"]


async def test_each_part_has_a_nonce_of_its_own_also_after_a_restart() -> None:
    api = FakeApi()
    await in_channel(api).post("one", NONE)
    await in_channel(api, num_posted=1).post("two", NONE)
    assert api.sent == {"7.0": "one", "7.1": "two"}


async def test_what_is_whispered_takes_the_place_of_the_thinking() -> None:
    api = FakeApi()
    await response(api).whisper("no")
    assert api.log == ["delete @original", "follow up no"]
    assert api.bodies[-1]["flags"] & 64


async def test_a_follow_up_that_may_have_arrived_is_uncertain() -> None:
    api = FakeApi(errors=[MaybeSent()])
    with pytest.raises(Uncertain):
        await response(api, num_posted=1).post("two", NONE)


@pytest.mark.parametrize("error", [Forbidden("missing_access", ""), Refused(413, 40005)])
async def test_where_no_file_may_be_sent_the_writer_is_told(error: Exception) -> None:
    with pytest.raises(CannotAttach):
        await in_channel(FakeApi(errors=[error])).attach(WHOLE, "in the file", NONE)
    with pytest.raises(CannotAttach):
        await response(FakeApi(errors=[error])).attach(WHOLE, "in the file", NONE)


async def test_a_file_goes_the_way_of_the_answer() -> None:
    api = FakeApi()
    assert await response(api, num_posted=3).attach(WHOLE, "words", NONE) == "@55"
    assert await in_channel(api, num_posted=3).attach(WHOLE, "words", NONE) == "1000"
    assert await response(api, 14.5 * 60, 3).attach(WHOLE, "words", NONE) == "1001"
    assert api.log == ["follow up words +a.md", "send 1 words +a.md", "send 1 words +a.md"]


# In a thread


async def test_a_refusal_opens_no_thread() -> None:
    api = FakeApi()
    await in_thread(api).whisper("no")
    assert api.log == ["send 1 no"]


@pytest.mark.parametrize("error", [None, Refused(400, 160004)], ids=["opened", "there already"])
async def test_a_thread_is_opened_once_and_the_answer_stands_there(error: Exception | None) -> None:
    api = FakeApi(thread_error=error)
    answer = in_thread(api)
    ref = await answer.post("one", STOP)
    await answer.post("two", NONE)
    await answer.edit(ref, "new", NONE)
    assert api.log == ["open what is up?", "send 7 one", "send 7 two", f"edit 7/{ref[1:]} new"]
    assert all("message_reference" not in body for body in api.bodies)


async def test_after_a_restart_the_thread_is_known_by_the_message_in_it() -> None:
    api = FakeApi()
    answer = in_thread(api, num_posted=1)
    await answer.edit("t1000", "new", STOP)
    assert await answer.post("two", NONE) == "t1000"
    assert api.log == ["edit 7/1000 new", "send 7 two"]


@pytest.mark.parametrize("error", [Forbidden("missing_access", ""), Refused(400, 50024)])
async def test_where_no_thread_can_be_opened_it_replies(error: Exception) -> None:
    api = FakeApi(thread_error=error)
    answer = in_thread(api)
    ref = await answer.post("one", STOP)
    await answer.edit(ref, "new", STOP)
    await answer.post("two", NONE)
    assert api.log == ["open what is up?", "send 1 one", "edit 1/1000 new", "send 1 two"]
    assert api.bodies[1]["message_reference"]["message_id"] == "7"
