"""One commit for each change of a skill's file, where the folder is in a git repository. Whatever git says is a warning. Knows no skill."""

import os
import re
import subprocess
from pathlib import Path

_SECONDS = 15.0
# A repository's hooks are other people's programs: they get none of our tokens. And a GIT_ variable would lead elsewhere.
_KEPT_FROM_GIT = re.compile(r"^GIT_|TOKEN|SECRET|PASSWORD|CREDENTIAL|API_?KEY")
_AS_BOT = ("-c", "user.name=Understudy", "-c", "user.email=understudy@localhost")
# What a repository holds while somebody is in the middle of something.
_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisect",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
}


class GitTrouble(Exception):
    """Why there is no commit, as the end of a sentence."""


class GitLog:
    """`prepare` before the file changes, `commit` after it: what a person has not committed yet is left to them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self, path: Path) -> None:
        """Raises:
        GitTrouble: the change should not be committed.
        """
        git_folder = Path(self._git("rev-parse", "--absolute-git-dir").strip())
        for name, what in _UNDER_WAY.items():
            if (git_folder / name).exists():
                raise GitTrouble(f"{what} is under way there")
        try:
            self._git("symbolic-ref", "--quiet", "HEAD")
        except GitTrouble:
            raise GitTrouble("no branch is checked out there") from None
        if path.exists() and self._git("status", "--porcelain", "--", path.name).strip():
            raise GitTrouble(f"{path.name} has changes that nobody has committed")

    def commit(self, path: Path, what: str) -> None:
        """Commits this file alone.

        Raises:
            GitTrouble: git did not take it; the file stays as it is.
        """
        self._git("add", "--", path.name)
        self._git(*_AS_BOT, *("commit", "--quiet", "--no-gpg-sign", "--only", "-m", what, "--", path.name))

    def _git(self, *arguments: str) -> str:
        environment = {
            name: value for name, value in os.environ.items() if not _KEPT_FROM_GIT.search(name.upper())
        }
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=self._folder,
                env={**environment, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
                text=True,
                errors="replace",
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise GitTrouble(f"git cannot be run ({error})") from error
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
            raise GitTrouble(f"git says: {said[0]}")
        return done.stdout
