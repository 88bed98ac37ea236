"""What an answer will cost the model, guessed before the model sees it, and learned from what it did cost. No tokens here."""

from collections.abc import Mapping

from engine.inference import Prompt, Usage
from engine.prompt import fixed_part, input_text
from engine.skill import Skill

_FIRST_CHARACTERS_PER_TOKEN = (
    3.5  # English in the vocabularies of today; forgotten as soon as something was measured
)
_KEPT_PER_ANSWER = 0.95
_MIN_CHARACTERS_PER_TOKEN = 0.25  # a vocabulary of bytes writes four tokens for some characters


def cost_tokens(usage: Usage) -> int:
    """What an answer did cost: the tokens that were computed for it alone."""
    return usage.num_prompt_tokens - usage.num_cached_tokens + usage.num_completion_tokens


class Estimator:
    """One for all skills. It remembers one version of each skill, and how many characters a token has."""

    def __init__(self) -> None:
        self._num_characters = 0.0
        self._num_tokens = 0.0
        self._cached: dict[
            str, tuple[str, int]
        ] = {}  # by skill's name: the version that was read, in which process

    @property
    def characters_per_token(self) -> float:
        if not self._num_tokens:
            return _FIRST_CHARACTERS_PER_TOKEN
        return max(_MIN_CHARACTERS_PER_TOKEN, self._num_characters / self._num_tokens)

    def estimate(self, skill: Skill, inputs: Mapping[str, str], process: int) -> int:
        """Tokens of the prompt that are not cached, and those that the answer may have. `process` numbers the model's process.

        The turns before are left out: what was said in a conversation is mostly still there, and the end settles the rest.
        """
        num_characters = len(input_text(skill, inputs))
        if self._cached.get(skill.name) != (skill.version, process):
            num_characters += sum(len(message.content) for message in fixed_part(skill))
        return self._tokens(num_characters) + self._completion_tokens(skill)

    def _completion_tokens(self, skill: Skill) -> int:
        """A choice is one of its labels, whatever `max_tokens` says."""
        if skill.choices:
            return min(skill.sampling.max_tokens, self._tokens(max(map(len, skill.choices))))
        return skill.sampling.max_tokens

    def _tokens(self, num_characters: int) -> int:
        return 1 + round(num_characters / self.characters_per_token)

    def interrupted(self, skill: Skill, estimated: int, num_pieces: int) -> int:
        """What an answer did cost of which nobody said the usage: it ended early, after so many pieces of text."""
        return max(1, estimated - self._completion_tokens(skill)) + num_pieces

    def learn(self, skill: Skill, prompt: Prompt, usage: Usage, process: int) -> None:
        self._cached[skill.name] = skill.version, process
        if usage.num_dropped_turns or not usage.num_prompt_tokens:
            return  # which characters those tokens were is not known
        read = (*prompt.fixed, *prompt.turns, prompt.last)
        num_characters = sum(len(message.content) for message in read)
        self._num_characters = _KEPT_PER_ANSWER * self._num_characters + num_characters
        self._num_tokens = _KEPT_PER_ANSWER * self._num_tokens + usage.num_prompt_tokens
