"""What was measured of the skills, read from the databases that no running bot holds. Opens no model."""

from collections.abc import Sequence

from bots.data_folder import Use
from bots.opening import open_store
from bots.setup import Setup
from engine import ModelIdentity, Standing, standings


async def kept_standings(setup: Setup, model: ModelIdentity | None = None) -> Sequence[Standing]:
    """One a skill that was measured: with `model`, or with the one that it was measured with last.

    Raises:
        StoreFailed: a database is there and cannot be used.
    """
    found: dict[str, Standing] = {}
    for use in Use:
        if not setup.data.database(use).exists():
            continue
        with setup.data.claimed(use) as database:
            if database is None:
                continue
            store = await open_store(setup, database)
            try:
                for one in await standings(store.trials, setup.skillbook.skills, model):
                    known = found.get(one.skill.name)
                    if known is None or len(known.measurement.trials) < len(one.measurement.trials):
                        found[one.skill.name] = one
            finally:
                await store.close()
    return tuple(found.values())
