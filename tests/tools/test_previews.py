"""The pictures of what people see: every part is known, every view has its picture, and the documents show it."""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bots import slack_blocks, slack_controls
from bots.discord_views import (
    Decided,
    change,
    controls_of,
    correction,
    fill_in,
    lesson,
    skill_window,
    teach_from_message,
    use_on_message,
)
from bots.surface import Controls
from engine.feedback import Proposal
from engine.skill import TEXT_INPUT, Input
from tests.emulators import slack_kit
from tests.fakes import TEST_AUTHOR, TEST_SCOPE, make_example, make_skill
from tools import previews_discord, previews_slack
from tools.previews_page import mrkdwn
from tools.previews_png import NUM_COLOURS, SIGNATURE, smaller
from tools.previews_slack import UnknownPart
from tools.previews_views import views

DOCS = Path(__file__).resolve().parents[2] / "docs"
PICTURES = DOCS / "previews"
MAX_BYTES = 60_000

UNSAFE = "<script>alert(1)</script>"
TEXT = Input(TEXT_INPUT, UNSAFE, is_required=True)
SKILLS = (
    make_skill("plain", description=UNSAFE, inputs=(TEXT,), examples=(make_example(UNSAFE, UNSAFE),)),
    make_skill(
        "choosy",
        choices=("urgent", "low"),
        inputs=(TEXT, Input("to", "Language", choices=("French", "German"))),
    ),
)


def slack_views() -> Iterator[slack_blocks.View]:
    proposal = Proposal("plain", {TEXT_INPUT: UNSAFE}, UNSAFE, TEST_AUTHOR, TEST_SCOPE)
    proposed = (slack_blocks.Proposed(7, may_decide=True, proposal=proposal),)
    for skill in SKILLS:
        yield slack_blocks.use_modal(SKILLS, skill, UNSAFE, "{}")
        yield slack_blocks.teach_modal(SKILLS, skill, {TEXT_INPUT: UNSAFE}, UNSAFE, "{}")
        yield slack_blocks.edit_modal(skill, {TEXT_INPUT: UNSAFE}, UNSAFE, "{}")
        yield slack_blocks.correct_modal(skill, UNSAFE, "urgent", "{}")
    yield slack_blocks.note_modal(UNSAFE)
    yield slack_blocks.home(SKILLS * 30, proposed, slack_blocks.Health((UNSAFE,)), {"plain": UNSAFE})
    yield slack_blocks.home(SKILLS, (), None, {})


def discord_windows() -> Iterator[dict[str, Any]]:
    yield correction("1", UNSAFE)
    yield use_on_message("key", SKILLS * 30, UNSAFE)
    yield teach_from_message("key", SKILLS, UNSAFE)
    for skill in SKILLS:
        yield skill_window("key", skill, {TEXT_INPUT: UNSAFE, "to": "French"})
        yield change(Decided(7), skill, {TEXT_INPUT: UNSAFE, "to": "French"}, UNSAFE)
        yield lesson("1", skill, UNSAFE)


def test_every_window_and_home_tab_in_slack_can_be_shown_and_what_people_wrote_stays_text() -> None:
    for view in slack_views():
        assert UNSAFE not in previews_slack.view(view)


def test_every_control_in_slack_can_be_shown() -> None:
    every = Controls(can_rate=True, has_reason=True, can_teach=True, proposals=(7, 8))
    for blocks in (
        slack_controls.controls(every, "1"),
        slack_controls.stop("1"),
        (slack_blocks.markdown(UNSAFE),),
    ):
        shown = previews_slack.blocks(blocks)
        assert shown
        assert UNSAFE not in shown


def test_the_blocks_that_slack_may_be_sent_are_those_that_can_be_shown() -> None:
    assert {*previews_slack.BLOCKS} == {*slack_kit.REQUIRED}
    not_sent = {"icon_button"}
    assert {*previews_slack.ELEMENTS} == {
        one for known in slack_kit.ELEMENTS.values() for one in known
    } - not_sent


def test_every_window_and_control_in_discord_can_be_shown_and_what_people_wrote_stays_text() -> None:
    for window in discord_windows():
        assert UNSAFE not in previews_discord.modal(window)
    every = Controls(can_rate=True, has_reason=True, can_teach=True, proposals=(7, 8))
    for components in (controls_of(every, "1"), controls_of(Controls.STOP, "1"), fill_in("key")):
        assert previews_discord.components(components)
    assert UNSAFE not in previews_discord.said({"content": UNSAFE})


def test_what_is_not_known_is_an_error_and_no_hole_in_a_picture() -> None:
    with pytest.raises(UnknownPart):
        previews_slack.blocks([{"type": "carousel"}])
    with pytest.raises(UnknownPart):
        previews_slack.blocks([{"type": "actions", "elements": [{"type": "datepicker"}]}])
    with pytest.raises(UnknownPart):
        previews_discord.components([{"type": 1, "components": [{"type": 5}]}])
    with pytest.raises(UnknownPart):
        previews_discord.components([{"type": 2, "style": 5, "label": "a link"}])


def test_only_what_is_ephemeral_is_for_one_person() -> None:
    assert "Only you" in previews_discord.said({"content": "no", "flags": previews_discord.EPHEMERAL})
    assert "Only you" not in previews_discord.said({"content": "no", "flags": 4})


def test_slacks_own_markup() -> None:
    shown = mrkdwn("*`/triage`* 2 &lt; 3\n> one\n> two\nover")
    assert shown == (
        "<div><b><code>/triage</code></b> 2 &lt; 3</div><blockquote>one<br>two</blockquote><div>over</div>"
    )


async def test_every_view_has_a_small_picture_that_a_document_shows() -> None:
    names = {view.name for view in await views()}
    pictures = {path.stem: path for path in PICTURES.glob("*.png")}
    assert names == {*pictures}
    assert all(path.stat().st_size < MAX_BYTES for path in pictures.values())
    texts = [path.read_text("utf-8") for path in DOCS.glob("*.md")]
    shown = {name for text in texts for name in re.findall(r"previews/([\w-]+)\.png", text)}
    assert shown == names


async def test_the_pages_need_nothing_from_elsewhere() -> None:
    for view in await views():
        assert not re.search(r"(?:src|href)=|@import|url\(", view.html)


# Pictures with a palette


def png_of(picture: np.ndarray, kind: int, colour: int) -> bytes:
    """A PNG of the same picture with one of PNG's filters in each row."""
    height, width, channels = picture.shape
    padded = np.zeros((height + 1, width + 1, channels), int)
    padded[1:, 1:] = picture
    left, up, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    middle = left + up - corner
    distances = [abs(middle - one) for one in (left, up, corner)]
    nearest = np.select(
        [(distances[0] <= distances[1]) & (distances[0] <= distances[2]), distances[1] <= distances[2]],
        [left, up],
        corner,
    )
    guess = (0 * left, left, up, (left + up) // 2, nearest)[kind]
    rows = ((picture - guess) % 256).astype(np.uint8)
    raw = b"".join(bytes([kind]) + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    return SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + name + data + b"\0\0\0\0" for name, data in parts
    )


def shown_by(png: bytes) -> np.ndarray:
    """The pixels of a PNG with a palette and without filters."""
    parts, at = {}, len(SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        parts[png[at + 4 : at + 8]] = png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(
            png[at + 4 : at + 8 + length]
        )
        at += length + 12
    width, height = struct.unpack(">II", parts[b"IHDR"][:8])
    colours = np.frombuffer(parts[b"PLTE"], np.uint8).reshape(-1, 3)
    rows = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, 1 + width)
    return colours[rows[:, 1:]]


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4)])
def test_a_picture_of_few_colours_stays_the_same(kind: int, colour: int, channels: int) -> None:
    picture = np.random.default_rng(1).choice(np.array([0, 7, 130, 255]), (9, 5, channels))
    picture[:, :, 3:] = 255
    assert (shown_by(smaller(png_of(picture, kind, colour))) == picture[:, :, :3]).all()


def test_a_picture_of_many_colours_stays_near_and_white_stays_white() -> None:
    noise = np.random.default_rng(1)
    picture = noise.integers(0, 250, (40, 40, 1)) + noise.integers(0, 4, (40, 40, 3))
    picture[0, 0] = 255
    shown = shown_by(smaller(png_of(picture, 0, 2))).astype(int)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > NUM_COLOURS
    assert 0 < abs(shown - picture).max() <= 8
    assert (shown[0, 0] == 255).all()
