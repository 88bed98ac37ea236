"""`understudy put-aside`: the messages of which the model's process died twice, counted and let go. Knows none of them: only hashes are kept."""

from bots.data_folder import DataFolder, Use
from engine import Store, StoreFailed, put_aside


async def look(data: DataFolder, *, is_clearing: bool) -> str:
    """What there is to say of them.

    Raises:
        StoreFailed: a running `understudy run` has the database, or it cannot be used.
    """
    with data.claimed(Use.PLACES) as database:
        if database is None:
            raise StoreFailed(str(data.path), "a running `understudy run` uses it", "Stop it first.")
        if not database.exists():
            return put_aside(0, is_cleared=False)
        store = await Store.open(database)
        try:
            number = await (store.aside.clear() if is_clearing else store.aside.number())
        finally:
            await store.close()
    return put_aside(number, is_cleared=is_clearing)
