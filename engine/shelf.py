"""The skill files as the bot writes them: read, edited, exchanged, the old version kept, committed. Knows no person and no store."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine import teachwording
from engine.effect import NOT_MEASURED, Effect
from engine.errors import TeachingRefused
from engine.exchange import alone_in, create, exchange
from engine.gitlog import GitLog, GitTrouble
from engine.skill import Example, Skill
from engine.skilledit import Edited, add_examples, remove_example
from engine.skillfile import read_skill
from engine.versions import Change, Deed, Versions, unified
from engine.yamlfile import read_bytes, shown_path

_MAX_ATTEMPTS = 20  # each means that somebody saved the file in the milliseconds between

Edit = Callable[[bytes], Edited]


@dataclass(frozen=True, slots=True)
class Written:
    """A change that stands in the file. `warning` is why git has no commit of it, or empty.

    `effect` is what it did to the skill, where that was measured.
    """

    change: Change
    old: Skill
    new: Skill
    diff: str
    warning: str = ""
    effect: Effect = NOT_MEASURED


def open_shelf(skills_folder: Path, versions_folder: Path, *, has_git: bool) -> "Shelf":
    return Shelf(skills_folder, Versions(versions_folder), GitLog(skills_folder) if has_git else None)


class Shelf:
    """Every call blocks for some milliseconds: to be made in a thread. A crash leaves the old file or the new one."""

    def __init__(self, folder: Path, versions: Versions, git: GitLog | None = None) -> None:
        """`git`: None where nothing is to be committed."""
        self._folder, self._versions, self._git = folder, versions, git

    def path_of(self, name: str) -> Path:
        return self._folder / f"{name}.yaml"

    def preview(self, name: str, edit: Edit) -> Edited:
        """What an edit would make of the file as it is now.

        Raises:
            FileFaults: the file has faults, or would have.
            TeachingRefused: it cannot be edited, or is gone.
        """
        return edit(self._read(name))

    def diff(self, edited: Edited) -> str:
        path = shown_path(self.path_of(edited.new.name))
        return unified(edited.before.decode(), edited.after.decode(), path)

    def add(self, name: str, examples: tuple[Example, ...]) -> Edit:
        """An edit that is worked out once for each content: to be looked at, and then to be written."""
        path = shown_path(self.path_of(name))
        return lru_cache(maxsize=1)(lambda content: add_examples(content, name, path, examples))

    def write(
        self, name: str, edit: Edit, deed: Deed = Deed.TAUGHT, undoes: int = 0, cause: str = ""
    ) -> Written:
        """Edits the file; when somebody else saves it meanwhile, edits theirs. `cause`: see `Change`.

        Raises:
            FileFaults: the file has faults, or would have: nothing was changed.
            TeachingRefused: it cannot be edited or written: nothing was changed.
        """
        path = self.path_of(name)
        try:
            with alone_in(self._folder):
                for _ in range(_MAX_ATTEMPTS):
                    edited = edit(self._read(name))
                    if (written := self._exchanged(path, edited, deed, undoes, cause)) is not None:
                        return written
        except OSError as error:
            raise TeachingRefused(
                teachwording.cannot_write(shown_path(path), error.strerror or str(error))
            ) from error
        raise TeachingRefused(teachwording.file_never_rests(shown_path(path)))

    def create(self, name: str, content: bytes) -> Written:
        """Makes the file of a new skill.

        Raises:
            FileFaults: it would have faults.
            TeachingRefused: there is one, or it cannot be written.
        """
        path = self.path_of(name)
        skill = read_skill(content, name, shown_path(path))
        trouble = self._prepared(path)
        try:
            with alone_in(self._folder):
                if path.exists():
                    raise TeachingRefused(teachwording.skill_is_there(name))
                change = self._versions.begin(name, Deed.CREATED, b"", content)
                if not create(path, content):
                    self._versions.drop(name, change)
                    raise TeachingRefused(teachwording.skill_is_there(name))
                self._finish(name, change)
        except OSError as error:
            reason = error.strerror or str(error)
            raise TeachingRefused(teachwording.cannot_write(shown_path(path), reason)) from error
        warning = trouble or self._committed(path, teachwording.commit(name, Deed.CREATED))
        return Written(change, skill, skill, content.decode(), warning)

    def undo(self, name: str, cause: str = "") -> Written:
        """Takes back what was taught last and not taken back yet; to the byte, where nobody changed the file since.

        Raises:
            TeachingRefused: there is nothing to take back, or what was taught is not there any more as it was.
            FileFaults: the file has faults.
        """
        last = self.last_taught(name)
        if last is None:
            raise TeachingRefused(teachwording.nothing_to_undo(name))
        return self.write(
            name, lambda content: self._without(name, content, last), Deed.UNDONE, last.number, cause
        )

    def made_by(self, name: str, cause: str) -> Change | None:
        """The change that this cause has made, before a crash perhaps; None: none."""
        return next((one for one in self.history(name) if cause and one.cause == cause), None)

    def last_taught(self, name: str) -> Change | None:
        """None: nothing that was taught is still to be taken back."""
        changes = self.history(name)
        undone = {change.undoes for change in changes}
        taught = (one for one in reversed(changes) if one.deed is Deed.TAUGHT and one.number not in undone)
        return next(taught, None)

    def history(self, name: str) -> tuple[Change, ...]:
        """Oldest first."""
        with alone_in(self._folder):
            self._versions.recover(name, self._read(name))
        return self._versions.of(name)

    def _without(self, name: str, content: bytes, taught: Change) -> Edited:
        path = shown_path(self.path_of(name))
        before, after = taught.before.encode(), taught.after.encode()
        now = read_skill(content, name, path)
        if content == after:
            return Edited(content, before, now, read_skill(before, name, path))
        old = read_skill(before, name, path).examples
        added = read_skill(after, name, path).examples[len(old) :]
        places = [index for index, one in enumerate(now.examples) if one in added]
        if len(added) != 1 or len(places) != 1:
            raise TeachingRefused(teachwording.changed_since(name, num_examples=len(added)))
        return remove_example(content, name, path, places[0])

    def _read(self, name: str) -> bytes:
        path = self.path_of(name)
        try:
            return read_bytes(path, follow_links=False)
        except FileNotFoundError:
            raise TeachingRefused(teachwording.file_is_gone(shown_path(path))) from None

    def _exchanged(self, path: Path, edited: Edited, deed: Deed, undoes: int, cause: str) -> Written | None:
        """None: the file is another by now."""
        name = edited.new.name
        trouble = self._prepared(path)
        change = self._versions.begin(name, deed, edited.before, edited.after, undoes, cause=cause)
        try:
            is_done = exchange(path, edited.before, edited.after)
        except OSError:
            # It may have failed behind the exchange: then what was asked for stands there.
            if read_bytes(path, follow_links=False) != edited.after:
                raise
            is_done = True
        if not is_done:
            self._versions.drop(name, change)
            return None
        self._finish(name, change)
        warning = trouble or self._committed(path, teachwording.commit(name, deed))
        return Written(change, edited.old, edited.new, self.diff(edited), warning)

    def _finish(self, name: str, change: Change) -> None:
        """One that cannot be finished now is so at the next look: the file tells that it was made."""
        with suppress(OSError):
            self._versions.finish(name, change)

    def _prepared(self, path: Path) -> str:
        """Why git will not be asked, or nothing."""
        if self._git is None:
            return ""
        try:
            self._git.prepare(path)
        except GitTrouble as trouble:
            return teachwording.not_committed(str(trouble))
        return ""

    def _committed(self, path: Path, what: str) -> str:
        if self._git is None:
            return ""
        try:
            self._git.commit(path, what)
        except GitTrouble as trouble:
            return teachwording.not_committed(str(trouble))
        return ""
