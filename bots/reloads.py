"""What is said when skills were read again: a line for each change and for each fault. Knows no screen."""

from engine import Fault, Reload


def reload_lines(reload: Reload) -> tuple[str, ...]:
    kinds = (("added", reload.added), ("reloaded", reload.changed), ("removed", reload.removed))
    return tuple(f"{what} {name}.yaml" for what, names in kinds for name in names)


def fault_lines(faults: tuple[Fault, ...]) -> tuple[str, ...]:
    return tuple(str(fault) for fault in faults)
