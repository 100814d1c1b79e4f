"""inspect.html: findings with pictures of the first ones, one page without script."""

import cv2

from detplug.errors import UserError
from detplug.html_page import captioned, image, page, section, table, tiles

from .findings import SPOILS, Finding, Key
from .inspect_set import Inspection
from .statistics import read_small

MOST_LINES, MOST_PICTURES, SIDE = 200, 8, 320  # of a finding; px


def inspection_page(title: str, inspection: Inspection) -> str:
    """The html text."""
    images = sum(counts['images'] for counts in inspection.counts.values())
    boxes = sum(sum(counts.values()) - counts['images'] for counts in inspection.counts.values())
    spoils = sum(finding.severity == SPOILS for finding in inspection.findings)
    figures = {
        'images': f'{images}',
        'boxes': f'{boxes}',
        'would spoil a training': f'{spoils}',
        'to look at': f'{len(inspection.findings) - spoils}',
    }
    names = list(dict.fromkeys(name for counts in inspection.counts.values() for name in counts))
    rows = [[name, *(str(counts.get(name, 0)) for counts in inspection.counts.values())] for name in names]
    parts = [
        section('Summary', '', tiles(figures), kind='figures'),
        section('Counts', ' '.join(inspection.sizes), table(['', *inspection.counts], rows)),
        *(_finding(finding, inspection) for finding in inspection.findings),
    ]
    return page(title, parts)


def _finding(finding: Finding, inspection: Inspection) -> str:
    more = len(finding.items) - MOST_LINES
    rows = [[line] for line in finding.items[:MOST_LINES]] + ([[f'and {more} more']] if more > 0 else [])
    keys = [key for group in dict.fromkeys(map(tuple, finding.images)) for key in group]  # pairs stay side by side
    shown = ''.join(_picture(key, inspection) for key in keys[: 2 * MOST_PICTURES])
    heading = f'{"Spoils a training: " if finding.severity == SPOILS else ""}{finding.kind} ({len(finding.items)})'
    return section(heading, finding.cure, table((), rows, kind='facts'), f'<div class="tables">{shown}</div>')


def _picture(key: Key, inspection: Inspection) -> str:
    """The small picture of an image with its name, none where there is none."""
    path = inspection.paths.get(key)
    try:
        pixels = read_small(path) if path is not None else None
    except (UserError, OSError):
        return ''
    if pixels is None:
        return ''
    scale = SIDE / max(pixels.shape)
    pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else pixels
    done, data = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, 80])
    name = f'{key[0]}/{key[1]}'
    return captioned(image(data.tobytes(), name, 'image/jpeg'), name) if done else ''
