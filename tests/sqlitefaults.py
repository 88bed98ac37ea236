"""A disk that fails under SQLite: the system calls of the very library that the program uses, each of which can be made to fail.

SQLite lets its own tests replace the calls of its layer to the system (`xSetSystemCall`). Of the calls that write, the n-th fails, or all
while `is_full` says so.
"""

import _sqlite3
import ctypes
import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_POINTER = ctypes.c_void_p
_SET = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, ctypes.c_char_p, _POINTER)
_GET = ctypes.CFUNCTYPE(_POINTER, _POINTER, ctypes.c_char_p)
_WRITE = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_int, _POINTER, ctypes.c_size_t, use_errno=True)
_PWRITE = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t, ctypes.c_int, _POINTER, ctypes.c_size_t, ctypes.c_longlong, use_errno=True
)
_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_longlong, use_errno=True)
_CALLS = {"write": _WRITE, "pwrite": _PWRITE, "pwrite64": _PWRITE, "ftruncate": _TRUNCATE}


class _Vfs(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int) for name in ("iVersion", "szOsFile", "mxPathname")),
        *((name, _POINTER) for name in ("pNext", "zName", "pAppData")),
        *((f"call{number}", _POINTER) for number in range(13)),
        ("set", _SET),
        ("get", _GET),
    )


class Disk:
    """Counts the calls that write; `fails` is asked with the number of each, from 1 on."""

    def __init__(self) -> None:
        self.num_writes = 0
        self.num_failed = 0
        self.error = errno.EIO
        self.fails: Callable[[int], bool] = lambda _: False

    def fail_at(self, number: int, error: int) -> None:
        self.num_writes, self.error = 0, error
        self.fails = lambda count: count == number

    def is_refused(self) -> bool:
        self.num_writes += 1
        if not self.fails(self.num_writes):
            return False
        self.num_failed += 1
        ctypes.set_errno(self.error)
        return True


@contextmanager
def failing_disk() -> Iterator[Disk]:
    """Under every database of this process, until the block ends."""
    library = ctypes.CDLL(_sqlite3.__file__)
    find = library.sqlite3_vfs_find
    find.restype, find.argtypes = ctypes.POINTER(_Vfs), [ctypes.c_char_p]
    found = find(None)
    address, vfs = ctypes.cast(found, _POINTER), found.contents
    disk = Disk()
    kept = []  # as long as SQLite may call them
    for name, kind in _CALLS.items():
        before = vfs.get(address, name.encode())
        if not before:
            continue
        mine = kind(_wrapped(disk, kind(before)))
        kept.append(mine)
        assert vfs.set(address, name.encode(), ctypes.cast(mine, _POINTER)) == 0
    assert kept, "this SQLite writes by no call that is known"
    try:
        yield disk
    finally:
        vfs.set(address, None, None)


def _wrapped(disk: Disk, call: Callable[..., int]) -> Callable[..., int]:
    def wrapped(*arguments: int) -> int:
        return -1 if disk.is_refused() else call(*arguments)

    return wrapped
