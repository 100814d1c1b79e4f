"""One self-contained html page: pictures embedded, no script, readable on light and on dark screens."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --line: #d8d8d8; --soft: #666; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #17191c; --line: #3a3d42; --soft: #a0a0a0; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1100px;
       margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin: 2em 0 .4em; border-bottom: 1px solid var(--line); }
p { color: var(--soft); margin: .3em 0 .8em; }
img { max-width: 100%; background: #fff; border-radius: 4px; padding: 4px; box-sizing: border-box; }
.figures { display: flex; flex-wrap: wrap; gap: .8em; }
.figures div { border: 1px solid var(--line); border-radius: 6px; padding: .4em 1em; }
.figures b { display: block; font-size: 1.5em; } .figures span { color: var(--soft); }
.tables { display: flex; flex-wrap: wrap; gap: 1em 3em; align-items: start; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 1em; }
.wide { overflow-x: auto; } .wide img { max-width: none; width: 100%; min-width: 700px; }
table { border-collapse: collapse; } td, th { padding: .15em .9em .15em 0; text-align: right; }
td:first-child, th:first-child { text-align: left; } th { border-bottom: 1px solid var(--line); }
.facts td, .facts th { text-align: left; overflow-wrap: anywhere; }
figure { margin: 0; max-width: 320px; } figcaption { color: var(--soft); font-size: .85em; overflow-wrap: anywhere; }
.thumbnails { display: flex; flex-wrap: wrap; gap: .4em; margin: .8em 0; }
code { overflow-wrap: anywhere; } dd { margin: 0 0 .6em; } ul { padding-left: 1.2em; }
"""


def page(title: str, sections: Sequence[str]) -> str:
    """The whole html text; ``sections`` are html, everything else is escaped here."""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f'<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n'
        + '\n'.join(sections)
        + '\n</body>\n</html>\n'
    )


def section(heading: str, note: str, *content: str, kind: str = '') -> str:
    """A heading, a line of explanation and html content; ``kind`` is the css class around the content."""
    text = f'<p>{escape(note)}</p>' if note else ''
    return f'<section><h2>{escape(heading)}</h2>{text}<div class="{escape(kind)}">{"".join(content)}</div></section>'


def tiles(figures: Mapping[str, str]) -> str:
    """Large figures with their names."""
    return ''.join(f'<div><b>{escape(value)}</b><span>{escape(name)}</span></div>' for name, value in figures.items())


def image(data: bytes, text: str, mime: str = 'image/png') -> str:
    """A picture inside the page; ``text`` says what it shows to whoever cannot see it."""
    return f'<img alt="{escape(text)}" src="data:{mime};base64,{base64.b64encode(data).decode()}">'


def captioned(picture: str, text: str) -> str:
    """An :func:`image` with ``text`` below it."""
    return f'<figure>{picture}<figcaption>{escape(text)}</figcaption></figure>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = '') -> str:
    """A table; the first column is text, the others are numbers."""
    top = f'<tr>{"".join(f"<th>{escape(cell)}</th>" for cell in head)}</tr>' if head else ''
    body = ''.join(f'<tr>{"".join(f"<td>{escape(cell)}</td>" for cell in row)}</tr>' for row in rows)
    return f'<table class="{escape(kind)}">{top}{body}</table>'
