"""One self-contained page: its style, its head and its foot; nothing is fetched from anywhere."""

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
:root { --ink: #1d2733; --quiet: #66727f; --line: #e3e8ed; --dense: #c3ccd5; --sparse: #0f766e; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 980px; margin: 0 auto; padding: 44px 22px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 46px 0 10px; }
p { max-width: 70ch; margin: 8px 0; }
.lead, figcaption, .small { color: var(--quiet); }
.small, figcaption, table { font-size: 14px; }
.cards { display: grid; gap: 14px; margin: 26px 0; }
.cards { grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); }
.card { border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; }
.card b { display: block; font-size: 26px; letter-spacing: -0.01em; }
.card span { color: var(--quiet); font-size: 14px; }
.row { display: grid; grid: auto / auto-flow 1fr; gap: 10px; margin: 0 0 22px; }
figure { margin: 0; }
figure img { width: 100%; display: block; border-radius: 6px; border: 1px solid var(--line); }
figcaption { margin-top: 4px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--quiet); }
th, td { padding: 6px 10px 6px 0; border-bottom: 1px solid var(--line); vertical-align: middle; }
td.n, th.n { text-align: right; }
.wide td:nth-child(-n+2), td.n { white-space: nowrap; }
td.bar { width: 38%; }
td.bar i { display: block; height: 12px; border-radius: 3px; background: var(--dense); }
tr.ours td.bar i { background: var(--sparse); }
tr.ours td { font-weight: 600; }
svg { width: 100%; height: auto; }
.wide { overflow-x: auto; }
svg text { font-family: system-ui, sans-serif; }
.patterns { max-width: 560px; }
code { font: 13px ui-monospace, monospace; background: #f4f6f8; padding: 2px 5px; }
code { border-radius: 4px; overflow-wrap: anywhere; }
@media (max-width: 560px) {
  main { padding: 26px 14px; } h1 { font-size: 24px; } td.bar { display: none; }
  .row { grid: auto / 1fr 1fr; gap: 6px; }
  .wide svg, .wide table { min-width: 600px; }
}
"""


def page(title: str, lead: str, parts: Iterable[str]) -> str:
    """A whole HTML document; `parts` are HTML already."""
    body = "\n".join(parts)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
<main>
<h1>{escape(title)}</h1>
<p class="lead">{escape(lead)}</p>
{body}
</main>
</html>
"""


def section(title: str, text: str, *parts: str) -> str:
    return f"<h2>{escape(title)}</h2>\n<p>{escape(text)}</p>\n" + "\n".join(parts)


def cards(facts: Sequence[tuple[str, str]]) -> str:
    """(number, what it is) side by side."""
    inner = "".join(
        f'<div class="card"><b>{escape(n)}</b><span>{escape(t)}</span></div>' for n, t in facts
    )
    return f'<div class="cards">{inner}</div>'


def figure(source: str, caption: str) -> str:
    """`source` is a data URI."""
    text = escape(caption)
    return f'<figure><img src="{source}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def wide(inner: str) -> str:
    """What a narrow screen scrolls sideways."""
    return f'<div class="wide">{inner}</div>'


def small(text: str) -> str:
    return f'<p class="small">{escape(text)}</p>'


def row(*figures: str) -> str:
    return f'<div class="row">{"".join(figures)}</div>'


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    bars: Sequence[float] | None = None,
    ours: int | None = None,
    words: int = 1,
) -> str:
    """Text in the first `words` columns, numbers after, with `bars` one at the end of each row; row
    `ours`, if any, stands out."""
    longest = max(bars) if bars else 0
    lines = [f"<tr>{_cells('th', head, words)}{'<th></th>' if bars else ''}</tr>"]
    for i, texts in enumerate(rows):
        mark = ' class="ours"' if i == ours else ""
        bar = ""
        if bars:
            width = 100 * bars[i] / longest
            bar = f'<td class="bar"><i style="width:{width:.1f}%"></i></td>'
        lines.append(f"<tr{mark}>{_cells('td', texts, words)}{bar}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _cells(tag: str, texts: Sequence[str], words: int) -> str:
    return "".join(
        f"<{tag}{'' if k < words else ' class=n'}>{escape(text)}</{tag}>"
        for k, text in enumerate(texts)
    )
