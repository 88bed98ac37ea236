"""Laws of safe markup: no mention is live, no link lies, nothing visible is lost, code stays readable."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bots.links import WORD_JOINER, may_hold_address
from bots.markup import for_discord, for_slack
from bots.splitting import split

J = WORD_JOINER

LIVE_ON_SLACK = re.compile(
    r"<!(?!--|DOCTYPE)\S|<@[UW][A-Z0-9]+|<#[CGD][A-Z0-9]+|<https?:[^<>]*\|[^<>]*>|good\.com\]\(\s*<?https://evil"
)
LIVE_ON_DISCORD = re.compile(
    r"@(everyone|here)\b(?!\.\w)|<@[!&]?\d+>|<#\d+>|</[\w -]+:\d+>|<id:\w+>|good\.com\]\(\s*<?https://evil"
)

MENTIONS = [
    "@everyone", "@here", "@channel", "<!channel>", "<!here|here>", "<!everyone>", "<!subteam^S123|@team>", "<@U123ABC>",
    "<@W0X>", "<#C42|general>", "<!date^1^{date}^https://evil.com|now>", "<https://evil.com|good.com>", "<@123>", "<@!123>",
    "<@&123>", "<#123>", "</deploy:123>", "</deploy prod:123>", "<id:customize>", "&lt;!channel&gt;", "<\u202e!channel>",
    "<\x00@U123ABC>", "@\u200eeveryone", "<\u2028@123>",
]  # fmt: skip
PIECES = [
    *MENTIONS,
    "<",
    "!",
    "@",
    "#",
    "|",
    ">",
    "[",
    "](",
    ")",
    "[good.com](",
    "![",
    "(",
    "```",
    "`",
    "\n",
    " ",
    "everyone",
    "U123",
    "https://evil.com",
    "\u202e",
    "x",
]
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


@pytest.mark.threat("S6", "a text of mentions and pieces of mentions, seen at every length while it grows")
@pytest.mark.parametrize("render", [for_slack, for_discord])
@given(text=HOSTILE)
@example(text="<!he\u202ere>")
@example(text="<[@](x)U123>")
@example(text="<[!channel](https://u@evil.com)>")
def test_nothing_is_live_in_any_beginning_of_a_hostile_text(render, text):
    live = LIVE_ON_SLACK if render is for_slack else LIVE_ON_DISCORD
    for end in range(len(text) + 1):
        assert not live.search(render(text[:end]))


@pytest.mark.threat("S6", "a text of mentions and pieces of mentions, split into messages anywhere")
@pytest.mark.parametrize("render", [for_slack, for_discord])
@given(text=HOSTILE, limit=st.integers(40, 90))
def test_nothing_is_live_in_any_part_of_a_hostile_text(render, text, limit):
    live = LIVE_ON_SLACK if render is for_slack else LIVE_ON_DISCORD
    for part in split(text, limit, lambda part: len(render(part))):
        assert not live.search(render(part))
        assert len(render(part)) <= limit


@pytest.mark.parametrize("render", [for_slack, for_discord])
@given(text=st.text(max_size=80))
def test_text_without_links_keeps_everything_visible(render, text):
    text = text.replace("](", "")
    assert visible(render(text)) == visible(text)


def visible(text):
    return "".join(one for one in text if unicodedata.category(one) not in {"Cf", "Cc", "Zl", "Zp"})


@pytest.mark.parametrize("render", [for_slack, for_discord])
@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d",
        "<div class='x'>hello</div>",
        "<!-- a comment --> <!DOCTYPE html>",
        "Map<String, List<@T>> x; List<@Nullable String>",
        "mail me@here.example.com or ops@channel.io",
        "@property\n@dataclass(frozen=True)\ndef f(): ...",
        "x = items[0](y) + table[i](a, b)",
        "[key]: value, [other]: 5",
        "see [the guide](docs/guide.md) and [below](#usage)",
        "see [the guide](https://example.com/a_(b)?c=d&e=f#g) and https://example.com?a=1&b=2",
        "see [example.com](https://www.example.com/path) and [www.example.com](http://example.com)",
        "[write](mailto:help@example.com) to [help@example.com](mailto:help@example.com)",
        "https://medium.com/@someone/a-story",
        "postgres://user:secret@host/db",
        "```cpp\nstd::vector<int> v; #include <map>\n```",
        "naïve café 漢字 👨‍👩‍👧 \u200bمی‌خواهم",
        "|a|b|\n|-|-|\n|1|2|",
    ],
)
def test_ordinary_text_stays_as_it_is(render, text):
    assert render(text) == text


@pytest.mark.parametrize(
    ("render", "text", "safe"),
    [
        (for_slack, "<!channel> hi", f"<{J}!channel> hi"),
        (for_slack, "<\\!channel>", f"<{J}\\!channel>"),
        (for_slack, "&#60;@U12&#62;", f"&#60;{J}@U12&#62;"),
        (for_slack, "ask <@U12>", f"ask <{J}@U12>"),
        (for_slack, "<https://evil.com|bank.com>", f"<{J}https://evil.com|bank.com>"),
        (for_slack, "`@here`", f"`@{J}here`"),
        (for_discord, "<@&9> <#9> </a b:9>", f"<{J}@&9> <{J}#9> <{J}/a b:9>"),
        (for_discord, "hey@everyone!", f"hey@{J}everyone!"),
        (for_discord, "@EveryOne", f"@{J}EveryOne"),
        (for_discord, "a\r\nb\rc", "a\nb\nc"),
    ],
)
def test_a_mention_reads_the_same_and_is_not_live(render, text, safe):
    assert render(text) == safe


EVIL = "https://evil.com/x"

SPOOFS = [
    (f"[good.com]({EVIL})", f"good.com ({EVIL})"),
    (f"[https://good.com]({EVIL})", f"https://good.com ({EVIL})"),
    (f"[www.good.com/login]({EVIL})", f"www.good.com/login ({EVIL})"),
    (f"[GOOD.COM]({EVIL})", f"GOOD.COM ({EVIL})"),
    (f"[Log in at good.com now]({EVIL})", f"Log in at good.com now ({EVIL})"),
    (f"[good.com evil.com]({EVIL})", f"good.com evil.com ({EVIL})"),
    (f"[me@good.com]({EVIL})", f"me@good.com ({EVIL})"),
    ("[me@good.com](mailto:me@evil.com)", "me@good.com (mailto:me@evil.com)"),
    ("[good.com](https://good.com.evil.com)", "good.com (https://good.com.evil.com)"),
    ("[good.com](https://evil.com/good.com)", "good.com (https://evil.com/good.com)"),
    ("[10.0.0.1](https://10.0.0.2/)", "10.0.0.1 (https://10.0.0.2/)"),
    (f"[**good**.com]({EVIL})", f"**good**.com ({EVIL})"),
    (f"[`good.com`]({EVIL})", f"`good.com` ({EVIL})"),
    (f"[good\\.com]({EVIL})", f"good\\.com ({EVIL})"),
    (f"[good&#46;com]({EVIL})", f"good&#46;com ({EVIL})"),
    (f"[good\u200b.com]({EVIL})", f"good\u200b.com ({EVIL})"),
    (f"[good．com]({EVIL})", f"good．com ({EVIL})"),
    (f"[good․com]({EVIL})", f"good․com ({EVIL})"),
    (f"[gооd.com]({EVIL})", f"gооd.com ({EVIL})"),
    (f"[moc.doog\u202e]({EVIL})", f"moc.doog ({EVIL})"),
    ("[here](https://good.com@evil.com/)", f"here (https:{J}//good.com@evil.com/)"),
    ("https://good.com@evil.com/", f"https:{J}//good.com@evil.com/"),
    ("HTTPS://good.com:pw@evil.com", f"HTTPS:{J}//good.com:pw@evil.com"),
    ("https://good.com[@evil.com/", f"https:{J}//good.com[@evil.com/"),
    ("https://good.com(@evil.com/", f"https:{J}//good.com(@evil.com/"),
    ("https://good.com|@evil.com/", f"https:{J}//good.com|@evil.com/"),
    ("https://good.com\\@evil.com", f"https:{J}//good.com\\@evil.com"),
    ("https://good.com%2f@evil.com", f"https:{J}//good.com%2f@evil.com"),
    ("https://good.com?@evil.com", f"https:{J}//good.com?@evil.com"),
    ("https://gооd.com/login", f"https:{J}//gооd.com/login"),
    ("https://good.com。evil.com/", f"https:{J}//good.com。evil.com/"),
    ("[here](https://gооd.com/)", f"here (https:{J}//gооd.com/)"),
    ("https://good.com\u202e/moc.live", "https://good.com/moc.live"),
    (f"[ ]({EVIL})", f"  ({EVIL})"),
    (f"![chart]({EVIL}?secret)", f"chart ({EVIL}?secret)"),
    ("[here](javascript:alert`1`)", "here (javascript:alert`1`)"),
    ("[here](//evil.com)", "here (//evil.com)"),
    ("[here](www.evil.com)", "here (www.evil.com)"),
    ("[here](https&colon;//evil.com)", "here (https&colon;//evil.com)"),
    (f"[a [good.com]]({EVIL})", f"[a [good.com]]{J}({EVIL})"),
    (f"[good\n.com]({EVIL})", f"[good\n.com]{J}({EVIL})"),
    (f"[good.com](<{EVIL}>)", f"[good.com]{J}(<{EVIL}>)"),
    (f'[good.com]({EVIL} "good.com")', f'[good.com]{J}({EVIL} "good.com")'),
    (f"[good.com]( {EVIL} )", f"[good.com]{J}( {EVIL} )"),
    (f"[![good](https://good.com/a.png)]({EVIL})", f"[good (https://good.com/a.png)]{J}({EVIL})"),
    (f"[good.com](https://[good.com]({EVIL})", f"[good.com]{J}(https://good.com ({EVIL})"),
    (f"[here](x[good.com]({EVIL}))", f"[here]{J}(xgood.com ({EVIL}))"),
    (f"[good.com][1]\n\n[1]: {EVIL}", f"[good.com][1]\n\n[1]{J}: {EVIL}"),
    (f"[good.com]\n\n[good.com]:\n<{EVIL}>", f"[good.com]\n\n[good.com]{J}:\n<{EVIL}>"),
]  # fmt: skip


@pytest.mark.threat(
    "S7", "49 links that show one address and lead to another: IDN, user names, entities, marks of direction"
)
@pytest.mark.parametrize("render", [for_slack, for_discord])
@pytest.mark.parametrize(("text", "told"), SPOOFS)
def test_a_link_that_lies_is_told(render, text, told):
    assert render(text) == told


@pytest.mark.parametrize(
    "piece", ["[", "](", "[a](", "[](x", "<", "<a:", "&#0", "https://", "[a]: ", "](https://x"]
)
def test_a_hostile_text_takes_linear_time(piece):
    # A pattern that backtracks would run into the time-out of the suite.
    for_slack(piece * (200_000 // len(piece)))
    for_discord(piece * (200_000 // len(piece)))


class TestMayHoldAddress:
    @pytest.mark.parametrize(
        "text",
        [
            "http://a",
            "see HTTPS://a.example now",
            "www.a",
            "a.example",
            "(a.example)",
            "a.b.co/x?y",
            "x@a.example",
            "mailto:x",
            "slack://channel",
            "10.0.0.1",
            "main.py",
            "a&#46;example",
            "https&colon;//a",
            "a\u3002example",
            "ａ．ｅｘａｍｐｌｅ",
            "a\u200b.exa\u00admple",
            "a**.example**",
            "\u2764.example",
            "उदाहरण.भारत",
            "例え.テスト",
            "a.xn--p1ai",
        ],
    )
    def test_what_a_place_may_link(self, text: str) -> None:
        assert may_hold_address(text)
        assert may_hold_address(f"before {text} behind")

    @pytest.mark.parametrize(
        "text",
        ["one. Two", "e.g. this", "3.14 and 1.2.3", "wait... what", "a: b // c", "`.gitignore`", "x.", "htt"],
    )
    def test_what_no_place_links(self, text: str) -> None:
        assert not may_hold_address(text)
