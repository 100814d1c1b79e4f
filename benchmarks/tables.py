"""Write the README tables from benchmarks/results/*.json, between ``<!-- table: NAME -->`` and ``<!-- end -->``.

python benchmarks/tables.py            write
python benchmarks/tables.py --check    exit 1 when a table differs from the results
"""

import argparse
import json
import re
import sys
from pathlib import Path

from record import RESULTS

ROOT = Path(__file__).resolve().parents[1]

# table -> rows of (what it is, result file, {column: figure})
TABLES = {
    'yolov5': [
        ('YOLOv5n, official weights, coco_tiny val (80 images), 640 px', 'yolov5_coco_tiny', 'map', 'map50'),
        ('YOLOv5n, BCCD official test, 320 px', 'yolov5_bccd', 'test_map', 'test_map50'),
        ('YOLOv5n, BCCD test_clean, 320 px', 'yolov5_bccd', 'test_clean_map', 'test_clean_map50'),
        ('YOLOv5n, BCCD 7 classes (5 known), test_clean, 320 px', 'yolov5_bccd7', 'test_map', 'test_map50'),
        ('YOLOv5n, malaria (3 known classes), test, 300 detections', 'yolov5_malaria', 'test_map', 'test_map50'),
        ('YOLOv5n, generated parasite eggs, test, from scratch (make demo)', 'demo', 'map', 'map50'),
    ],
}


def table(rows: list[tuple[str, str, str, str]]) -> str:
    """A Markdown table of mAP and mAP50 with spread over the seeds, and the command of each row."""
    lines = ['| model and data | mAP | mAP50 | seeds | command |', '| --- | --- | --- | --- | --- |']
    for title, name, *keys in rows:
        path = RESULTS / f'{name}.json'
        if not path.exists():
            continue
        result = json.loads(path.read_text())
        cells = [_cell(result['figures'], key) for key in keys]
        seeds = len(result['seeds']) or '-'
        lines.append(f'| {title} | {" | ".join(cells)} | {seeds} | `{result["command"]}` |')
    return '\n'.join(lines)


def _cell(figures: dict[str, float], key: str) -> str:
    spread = figures.get(f'{key}_std')
    return f'{figures[key]:.3f}' + (f' ± {spread:.3f}' if spread is not None else '')


def fill(text: str) -> str:
    """``text`` with the body of every known table made anew."""
    for name, rows in TABLES.items():
        pattern = rf'(<!-- table: {name} -->\n).*?(<!-- end -->)'
        text = re.sub(pattern, lambda found, rows=rows: f'{found[1]}{table(rows)}\n{found[2]}', text, flags=re.S)
    return text


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument('--check', action='store_true')
    check = parser.parse_args().check
    stale = []
    for path in [ROOT / 'README.md', *sorted(ROOT.glob('configs/*/README.md'))]:
        text = path.read_text()
        if fill(text) != text:
            stale.append(path.relative_to(ROOT))
            if not check:
                path.write_text(fill(text))
    print('\n'.join(f'{"stale" if check else "written"}: {path}' for path in stale) or 'all tables are up to date')
    return int(check and bool(stale))


if __name__ == '__main__':
    sys.exit(main())
