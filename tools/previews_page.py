"""A page around a view, and text as HTML: markdown, Slack's own markup, plain. Knows no platform's payload."""

import re
from html import escape
from itertools import groupby

from markdown_it import MarkdownIt

WIDTH = 720  # CSS pixels

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table").enable("strikethrough")
_STYLE = """
* { box-sizing: border-box; }
html { background: #f4f4f2; }
body { margin: 0; padding: 20px; width: WIDTHpx; font: 14px/1.45 "DejaVu Sans", Arial, sans-serif; color: #24252b; }
p, ul, ol, pre, blockquote, h3 { margin: 0 0 6px; }
p:last-child, ul:last-child { margin-bottom: 0; }
ul { padding-left: 20px; }
code { font: 12px "DejaVu Sans Mono", monospace; background: #eeeeec; border: 1px solid #dcdcd8; border-radius: 3px; padding: 0 3px; }
pre code { display: block; padding: 8px; white-space: pre-wrap; }
blockquote { border-left: 3px solid #c9c9c5; padding-left: 8px; color: #55565e; }
.card { background: #fff; border: 1px solid #dcdcd8; border-radius: 8px; padding: 14px 16px; }
.message { display: flex; gap: 10px; margin-bottom: 14px; }
.message:last-child { margin-bottom: 0; }
.face { flex: 0 0 34px; height: 34px; border-radius: 6px; color: #fff; font-weight: bold; text-align: center; line-height: 34px; }
.of-person { background: #8a7a5c; } .of-bot { background: #4d6a8f; }
.said { flex: 1; min-width: 0; }
.who { font-weight: bold; margin-right: 6px; }
.tag { font-size: 10px; background: #e4e6ea; border-radius: 3px; padding: 1px 4px; margin-right: 6px; color: #55565e; }
.quiet { color: #73747c; font-size: 12px; }
.row { display: flex; flex-wrap: wrap; gap: 8px; margin: 8px 0 0; align-items: center; }
.button { border: 1px solid #bdbdb9; border-radius: 5px; padding: 4px 11px; font-size: 13px; font-weight: bold; background: #fff; white-space: nowrap; }
.button.strong { background: #2f6f4f; border-color: #2f6f4f; color: #fff; }
.button.danger { background: #a63a3a; border-color: #a63a3a; color: #fff; }
.button svg { height: 13px; vertical-align: -2px; margin-right: 6px; }
.section { display: flex; gap: 12px; justify-content: space-between; align-items: flex-start; margin: 9px 0; }
h2 { font-size: 18px; margin: 4px 0 8px; } h3 { font-size: 15px; }
hr { border: 0; border-top: 1px solid #dcdcd8; margin: 14px 0; }
.field { margin: 12px 0; }
.label { font-weight: bold; margin-bottom: 3px; }
.box { border: 1px solid #bdbdb9; border-radius: 5px; padding: 6px 9px; min-height: 33px; background: #fff; white-space: pre-wrap; }
.box.tall { min-height: 72px; }
.box.select { display: flex; justify-content: space-between; }
.window { max-width: 560px; margin: 0 auto; }
.bar { display: flex; justify-content: space-between; font-size: 17px; font-weight: bold; border-bottom: 1px solid #dcdcd8; padding-bottom: 9px; margin-bottom: 10px; }
.foot { display: flex; justify-content: flex-end; gap: 8px; border-top: 1px solid #dcdcd8; padding-top: 11px; margin-top: 14px; }
.command { display: flex; gap: 8px; align-items: baseline; padding: 5px 0; border-bottom: 1px solid #eeeeec; }
.command .name { font-weight: bold; white-space: nowrap; }
.option { font-size: 12px; background: #eeeeec; border-radius: 3px; padding: 1px 5px; margin-left: 4px; white-space: nowrap; }
.command .about { color: #55565e; font-size: 13px; }
.whisper { background: #f3f1e8; border-radius: 6px; padding: 10px; }
.columns { display: flex; gap: 16px; align-items: flex-start; } .columns > .menu { flex: 0 0 190px; }
.menu div { padding: 4px 0; }
""".replace("WIDTH", str(WIDTH))

# The page tells how high it is.
_MEASURE = """
document.documentElement.dataset.height = Math.ceil(document.body.getBoundingClientRect().height);
"""


def page(title: str, body: str) -> str:
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f"<!doctype html><html><head>{head}</head><body>{body}<script>{_MEASURE}</script></body></html>"


def plain(text: str) -> str:
    return escape(str(text))


def markdown(text: str) -> str:
    return str(_MARKDOWN.render(text))


def mrkdwn(text: str) -> str:
    """Slack's own markup as far as the bot writes it: bold, code, quotes. Its &lt; and &amp; are HTML's already."""
    html = ""
    for is_quoted, lines in groupby(text.split("\n"), lambda line: line.startswith("> ")):
        inner = "<br>".join(_inline(line.removeprefix("> ") if is_quoted else line) for line in lines)
        html += f"<blockquote>{inner}</blockquote>" if is_quoted else f"<div>{inner}</div>"
    return html


def _inline(line: str) -> str:
    coded = re.sub(r"`([^`]+)`", r"<code>\1</code>", line)
    return re.sub(r"(?<!\w)\*([^*\s][^*]*)\*(?!\w)", r"<b>\1</b>", coded)


def message(name: str, body: str, *, is_bot: bool, note: str = "") -> str:
    face = f'<div class="face {"of-bot" if is_bot else "of-person"}">{plain(name[0])}</div>'
    tag = '<span class="tag">APP</span>' if is_bot else ""
    when = f'<span class="quiet">{plain(note or "10:42")}</span>'
    return (
        f'<div class="message">{face}<div class="said"><span class="who">{plain(name)}</span>{tag}{when}'
        f"<div>{body}</div></div></div>"
    )


def window(title: str, body: str, buttons: str) -> str:
    bar = f'<div class="bar"><span>{plain(title)}</span><span class="quiet">×</span></div>'
    return f'<div class="card window">{bar}{body}<div class="foot">{buttons}</div></div>'


def button(text: str, kind: str = "", icon: str = "") -> str:
    return f'<span class="button {kind}">{icon}{plain(text)}</span>'


def box(text: str, *, is_tall: bool = False) -> str:
    return f'<div class="box {"tall" if is_tall else ""}">{plain(text)}</div>'


def select(text: str) -> str:
    return f'<div class="box select"><span>{plain(text)}</span><span class="quiet">▾</span></div>'


def field(label: str, body: str, note: str = "") -> str:
    hint = f' <span class="quiet">{plain(note)}</span>' if note else ""
    return f'<div class="field"><div class="label">{plain(label)}{hint}</div>{body}</div>'
