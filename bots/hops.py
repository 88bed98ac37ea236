"""How often other bots have been answered in a conversation, so that two of them never talk on by themselves. Knows no platform."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from time import monotonic

from bots.intake import Notices
from engine import Message

MAX_HOPS = 3
QUIET_SECONDS = 600.0
MAX_CONVERSATIONS = 1000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Talk:
    last_at: float
    answered: list[str] = field(default_factory=list)  # the ids of the bots' messages


class Hops:
    """At most three answers to bots in a conversation, until a person writes there or no bot has for ten minutes.

    What is refused counts as written: a bot that goes on and on is not answered again before it is quiet.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._talks: OrderedDict[Hashable, _Talk] = OrderedDict()

    def __len__(self) -> int:
        return len(self._talks)

    def goes_on(self, message: Message, told: Notices) -> bool:
        """Whether this message is answered. False: a bot has been answered there often enough, which `told` has said once a minute."""
        if not message.author.is_bot:
            self.person_spoke(message.scope)
            return True
        may_answer = self.may_answer(message.scope, message.id)
        if not may_answer and told.may_tell(message.author.id, "hops"):
            _log.warning("The bot %s is not answered any more in one conversation.", message.author.id)
        return may_answer

    def may_answer(self, conversation: Hashable, message_id: str) -> bool:
        """Whether this message of a bot is one of the three; asked once more, it says the same."""
        now = self._clock()
        talk = self._talks.pop(conversation, None)
        if talk is None or now - talk.last_at >= QUIET_SECONDS:
            talk = _Talk(now)
        self._talks[conversation] = talk
        talk.last_at = now
        if len(self._talks) > MAX_CONVERSATIONS:
            self._talks.popitem(last=False)
        if message_id not in talk.answered and len(talk.answered) < MAX_HOPS:
            talk.answered.append(message_id)
        return message_id in talk.answered

    def person_spoke(self, conversation: Hashable) -> None:
        """The count begins anew."""
        self._talks.pop(conversation, None)
