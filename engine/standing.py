"""How a skill stands by what was measured and kept: with a model, beside the one before it. Asks no model."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.effect import Effect, effect_of
from engine.identity import ModelIdentity
from engine.measurement import Measurement
from engine.skill import Memory, Skill
from engine.trial import Kind, Trial, items_of
from engine.trialstore import KeptAnswer, TrialStore

MIN_TEXTS = 3  # fewer answers say nothing of a skill of free text


@dataclass(frozen=True, slots=True)
class Standing:
    """`before` is what the model before it reached; without trials where there was none."""

    measurement: Measurement
    before: Measurement

    @property
    def skill(self) -> Skill:
        return self.measurement.skill

    @property
    def effect(self) -> Effect:
        """What the change of the model did, on the items that both answered."""
        return effect_of(self.measurement.kind, self.before.trials, self.measurement.trials)

    @property
    def has_fallen(self) -> bool:
        return self.effect.is_worse

    @property
    def is_of_no_use(self) -> bool:
        """Of free text, and no nearer to the right texts than the message itself. A skill that converses copies nothing."""
        found = self.measurement
        is_told = found.kind is Kind.TEXT and self.skill.memory is Memory.NONE
        return is_told and len(found.trials) >= MIN_TEXTS and not found.beats_copying


async def standing(store: TrialStore, skill: Skill, model: ModelIdentity | None = None) -> Standing | None:
    """With `model`, or with the one that it was measured with last. None: it was not measured with that."""
    models = await store.models(skill.name)
    own = model or (models[0] if models else None)
    if own is None:
        return None
    measurement = await remembered(store, skill, own)
    if not measurement.trials:
        return None
    others = [one for one in models if one.files != own.files]
    before = await remembered(store, skill, others[0]) if others else Measurement(skill, (), own)
    return Standing(measurement, before)


async def standings(
    store: TrialStore, skills: Sequence[Skill], model: ModelIdentity | None = None
) -> tuple[Standing, ...]:
    """Of the skills that were measured, in their order."""
    found = [await standing(store, skill, model) for skill in skills]
    return tuple(one for one in found if one is not None)


async def remembered(store: TrialStore, skill: Skill, model: ModelIdentity) -> Measurement:
    """What is kept of a skill's items with a model, also when other examples have been taught since."""
    kept = await store.of(skill.name, model)
    items = ((item, kept.get(item.key)) for item in items_of(skill))
    trials = [
        Trial(
            *(item.number, item.inputs, item.expected, answer.said),
            probability=answer.probability,
            is_unsure=answer.is_unsure,
            is_check=item.is_check,
        )
        for item, answer in items
        if isinstance(answer, KeptAnswer)
    ]
    return Measurement(skill, tuple(trials), model)
