"""What is said when skills were read again: a line for each change, and for each fault that is new. Knows no screen."""

from engine import Fault, Reload


class ReloadNews:
    """A reload lists all faults that stand; each is said once, until it was mended and came back."""

    def __init__(self, known: tuple[Fault, ...]) -> None:
        self._known = known

    def new_faults(self, reload: Reload) -> tuple[str, ...]:
        before, self._known = self._known, reload.faults
        return tuple(str(fault) for fault in reload.faults if fault not in before)


def change_lines(reload: Reload) -> tuple[str, ...]:
    kinds = (("added", reload.added), ("reloaded", reload.changed), ("removed", reload.removed))
    return tuple(f"{what} {name}.yaml" for what, names in kinds for name in names)
