"""What the trials of a skill say together: how often it is right, where it is wrong, how near its texts are. Knows no model."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.confusion import Confusion, confusion
from engine.fields import fields_right
from engine.identity import ModelIdentity
from engine.interval import Interval, wilson
from engine.skill import Skill
from engine.textscore import chrf, token_f1
from engine.trial import Kind, Trial, items_of, kind_of

NO_ANSWER = "(no answer)"
Score = Callable[[str, str], float]


@dataclass(frozen=True, slots=True)
class Measurement:
    """`trials` are in the order of the skill's items; fewer where it was stopped or only some were asked for."""

    skill: Skill
    trials: tuple[Trial, ...]
    model: ModelIdentity

    @property
    def kind(self) -> Kind:
        return kind_of(self.skill)

    @property
    def num_items(self) -> int:
        """How many there are to be measured with."""
        return len(items_of(self.skill))

    @property
    def num_right(self) -> int:
        return sum(self.is_right(trial) for trial in self.trials)

    @property
    def accuracy(self) -> float | None:
        """The share that is right, also of those of which it is unsure; None where nothing was measured."""
        return self.num_right / len(self.trials) if self.trials else None

    @property
    def interval(self) -> Interval:
        """The 95 % interval of `accuracy`."""
        return wilson(self.num_right, len(self.trials))

    @property
    def num_unsure(self) -> int:
        return sum(trial.is_unsure for trial in self.trials)

    @property
    def wrong(self) -> tuple[Trial, ...]:
        return tuple(trial for trial in self.trials if not self.is_right(trial))

    @property
    def checks(self) -> tuple[Trial, ...]:
        return tuple(trial for trial in self.trials if trial.is_check)

    def is_right(self, trial: Trial) -> bool:
        return trial.is_right(self.kind)

    @property
    def confusion(self) -> Confusion:
        """Of a skill with choices."""
        pairs = ((trial.expected, trial.said or NO_ANSWER) for trial in self.trials)
        return confusion(pairs, self.skill.choices)

    @property
    def fields(self) -> Mapping[str, tuple[int, int]]:
        """Of a skill that answers with JSON: by field, how often it was right, and of how many answers."""
        found: dict[str, list[bool]] = defaultdict(list)
        for trial in self.trials:
            for name, is_right in fields_right(trial.expected, trial.said).items():
                found[name].append(is_right)
        return {name: (sum(each), len(each)) for name, each in found.items()}

    @property
    def chrf(self) -> float | None:
        """The mean over the trials, between 0 and 1; None where nothing was measured. So are the next three."""
        return self._mean(chrf, lambda trial: trial.said)

    @property
    def token_f1(self) -> float | None:
        return self._mean(token_f1, lambda trial: trial.said)

    @property
    def copied_chrf(self) -> float | None:
        """What would be reached by saying the message itself."""
        return self._mean(chrf, self._copied)

    @property
    def copied_token_f1(self) -> float | None:
        return self._mean(token_f1, self._copied)

    @property
    def beats_copying(self) -> bool:
        """Whether texts are nearer than the message itself. Where nothing was measured, nothing is said against it."""
        said, copied = self.chrf, self.copied_chrf
        return said is None or copied is None or said > copied

    def _copied(self, trial: Trial) -> str:
        return trial.inputs.get(self.skill.main_input.name, "")

    def _mean(self, score: Score, said: Callable[[Trial], str]) -> float | None:
        if not self.trials:
            return None
        return sum(score(trial.expected, said(trial)) for trial in self.trials) / len(self.trials)
