"""index.html of the demo: one self-contained page with small pictures; links lead to what lies beside it."""

import os
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2

from detplug import html_page as page
from detplug.cli.demo_step import Demo, DemoStep, StepResult, command_line

THUMBNAIL = 200  # px, the longer side


def write_page(
    path: Path, demo: Demo, steps: Mapping[str, DemoStep], left_out: Mapping[str, str], minutes: Mapping[str, Any]
) -> None:
    """Write the page.

    Args:
        steps: by name; those with a result get a section.
        left_out: name -> why a step did not run.
        minutes: name -> its minutes, ``wall`` and ``cpu``.
    """
    folder = path.parent
    total = sum(x.wall for x in minutes.values())
    sections = [_commands_section(demo)]
    for name, result in demo.results.items():
        sections.append(_step_section(folder, steps[name].title, result, demo.commands.get(name, [])))
    if left_out:
        rows = [(steps[name].title, reason) for name, reason in left_out.items()]
        sections.append(page.section('Left out', '', page.table((), rows, kind='facts')))
    rows = [(steps[name].title, f'{x.wall:.2f}', f'{x.cpu:.2f}') for name, x in minutes.items()]
    note = f'{total:.1f} minutes together; processor time is that of all cores.'
    table = page.table(('step', 'by the clock', 'processor'), rows)
    sections.append(page.section('Minutes', note, table, _links(folder, {'figures and minutes': folder / 'demo.json'})))
    path.write_text(page.page('detplug demo', sections))


def _commands_section(demo: Demo) -> str:
    rows = [result.go_on for result in demo.results.values() if result.go_on is not None]
    lines = ''.join(
        f'<dt>{escape(what)}</dt><dd><code>{escape(command_line(words))}</code></dd>' for what, words in rows
    )
    return page.section('Go on with', 'Commands for your own pictures; D names a folder of yours.', f'<dl>{lines}</dl>')


def _step_section(folder: Path, title: str, result: StepResult, commands: list[str]) -> str:
    tiles = f'<div class="figures">{page.tiles(result.shown)}</div>' if result.shown else ''
    pictures = ''.join(_thumbnail(folder, picture) for picture in result.pictures)
    typed = ''.join(f'<code>{escape(line)}</code><br>' for line in commands)
    ran = f'<details><summary>commands of this step</summary>{typed}</details>' if commands else ''
    content = (
        tiles,
        f'<div class="thumbnails">{pictures}</div>' if pictures else '',
        _links(folder, result.files),
        ran,
    )
    return page.section(title[0].upper() + title[1:], result.text, *content)


def _links(folder: Path, files: Mapping[str, Path]) -> str:
    items = ''.join(f'<li><a href="{_address(folder, file)}">{escape(name)}</a></li>' for name, file in files.items())
    return f'<ul>{items}</ul>' if items else ''


def _thumbnail(folder: Path, picture: Path) -> str:
    """The picture, small, inside the page; a link to it as it is."""
    pixels = cv2.imread(str(picture))
    scale = min(1.0, THUMBNAIL / max(pixels.shape[:2]))
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    data = cv2.imencode('.jpg', small, (cv2.IMWRITE_JPEG_QUALITY, 80))[1].tobytes()
    return f'<a href="{_address(folder, picture)}">{page.image(data, picture.name, "image/jpeg")}</a>'


def _address(folder: Path, file: Path) -> str:
    """Relative to the page, as an html attribute."""
    return escape(quote(Path(os.path.relpath(file, folder)).as_posix()))
