"""Pictures of what people see, made from what the bot really sends: `python tools/previews.py`, into docs/previews/.

Needs Chromium; the pages are our own, and nothing is fetched.
"""

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(ROOT / "tools"):
    sys.path[0] = str(ROOT)  # started as a file

from tools.previews_page import WIDTH  # noqa: E402
from tools.previews_png import smaller  # noqa: E402
from tools.previews_views import View, views  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FIRST_HEIGHT = 900
SCALE = 1.5
TIMEOUT_SECONDS = 60


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "previews")
    parser.add_argument("--only", help="names of views, with commas")
    options = parser.parse_args(given)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("The pictures need Chromium: apt-get install chromium fonts-dejavu-core", file=sys.stderr)
        return 1
    options.folder.mkdir(parents=True, exist_ok=True)
    wanted = options.only.split(",") if options.only else None
    for view in asyncio.run(views()):
        if wanted is None or view.name in wanted:
            path = options.folder / f"{view.name}.png"
            picture(browser, view, path)
            print(f"{path} {path.stat().st_size} bytes")
    return 0


def picture(browser: str, view: View, path: Path) -> None:
    """As high as the page is. Raises CalledProcessError where the browser fails."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{view.name}.html"
        file.write_text(view.html, "utf-8")
        shown = _run(browser, folder, FIRST_HEIGHT, "--dump-dom", file.as_uri())
        height = int(re.findall(r'data-height="(\d+)"', shown)[0])
        taken = Path(folder) / "taken.png"
        _run(browser, folder, height, f"--screenshot={taken}", file.as_uri())
        path.write_bytes(smaller(taken.read_bytes()))


def _run(browser: str, folder: str, height: int, *what: str) -> str:
    command = [
        browser,
        "--headless",
        "--no-sandbox",  # our own page, also where the machine is a container
        "--disable-gpu",
        "--hide-scrollbars",
        "--no-first-run",
        "--disable-background-networking",
        f"--user-data-dir={folder}/profile",
        f"--force-device-scale-factor={SCALE}",
        f"--window-size={WIDTH},{height}",
        *what,
    ]
    done = subprocess.run(
        command,
        check=True,
        timeout=TIMEOUT_SECONDS,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
