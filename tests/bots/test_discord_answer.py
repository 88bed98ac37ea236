"""An answer goes on where it can: by token, then in the channel, and never twice."""

import time
from dataclasses import dataclass, field

import pytest

from bots.discord_answer import ChannelAnswer, InteractionAnswer, Sent, TokenWorn
from bots.discord_events import InteractionAddress


@dataclass
class FakeWriter:
    """Keeps what was written; a message with a known nonce is the message that is there."""

    sent: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    is_worn: bool = False

    async def send(self, channel_id: int, text: str, nonce: str, reply_to: int | None) -> Sent:
        self.log.append(f"send {text}")
        return Sent(1000 + [*self.sent, nonce].index(nonce), self.sent.setdefault(nonce, text))

    async def edit(self, channel_id: int, message_id: int, text: str) -> None:
        self.log.append(f"edit {message_id} {text}")

    async def follow_up(self, address: InteractionAddress, text: str) -> int:
        self._check()
        self.log.append(f"follow up {text}")
        return 55

    async def edit_response(self, address: InteractionAddress, message: str, text: str) -> None:
        self._check()
        self.log.append(f"edit {message} {text}")

    def _check(self) -> None:
        if self.is_worn:
            raise TokenWorn


def interaction(age_seconds: float = 0.0) -> InteractionAddress:
    milliseconds = int((time.time() - age_seconds - 1_420_070_400) * 1000)
    return InteractionAddress(1, milliseconds << 22, 3, "token")


def response(writer: FakeWriter, age_seconds: float = 0.0, num_posted: int = 0) -> InteractionAnswer:
    address = interaction(age_seconds)
    return InteractionAnswer(writer, address, num_posted=num_posted, min_interval_seconds=0)


async def test_the_first_part_is_the_response_and_the_next_follow_up() -> None:
    writer = FakeWriter()
    answer = response(writer)
    refs = [await answer.post("one"), await answer.post("two")]
    for ref in refs:
        await answer.edit(ref, "new")
    assert writer.log == ["edit @original one", "follow up two", "edit @original new", "edit 55 new"]


async def test_after_a_restart_the_response_is_there_already() -> None:
    writer = FakeWriter()
    await response(writer, num_posted=1).post("two")
    assert writer.log == ["follow up two"]


@pytest.mark.parametrize("is_known_here", [True, False])
async def test_a_worn_token_moves_the_part_to_the_channel_once(*, is_known_here: bool) -> None:
    writer = FakeWriter()
    answer = response(writer, age_seconds=14.5 * 60 if is_known_here else 0)
    writer.is_worn = not is_known_here
    await answer.edit("@original", "one")
    await answer.edit("@original", "one more")
    await answer.post("two")
    assert writer.log == ["send one", "edit 1000 one more", "send two"]


async def test_a_post_that_is_repeated_brings_the_message_that_is_there_up_to_date() -> None:
    writer = FakeWriter()
    lost = ChannelAnswer(writer, 1, 7, num_posted=0, min_interval_seconds=0)
    ref = await lost.post("half")
    again = ChannelAnswer(writer, 1, 7, num_posted=0, min_interval_seconds=0)
    assert await again.post("whole") == ref
    assert writer.log == ["send half", "send whole", "edit 1000 whole"]


async def test_each_part_has_a_nonce_of_its_own_also_after_a_restart() -> None:
    writer = FakeWriter()
    await ChannelAnswer(writer, 1, 7, num_posted=0, min_interval_seconds=0).post("one")
    await ChannelAnswer(writer, 1, 7, num_posted=1, min_interval_seconds=0).post("two")
    assert writer.sent == {"7.0": "one", "7.1": "two"}
