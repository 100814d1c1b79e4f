"""Write the README tables from benchmarks/results/*.json, between ``<!-- table: NAME -->`` and ``<!-- end -->``.

python benchmarks/tables.py            write
python benchmarks/tables.py --check    exit 1 when a table differs from the results
"""

import argparse
import re
import sys
from pathlib import Path

from table_cells import cell, markdown, read
from tables_fpga import TABLES as FPGA
from tables_sabra import TABLES as SABRA
from tables_tensor_train import TABLES as TENSOR_TRAIN

ROOT = Path(__file__).resolve().parents[1]

# rows of (what it is, result file, figures of the two columns)
YOLOV5 = (
    ('YOLOv5n, official weights, coco_tiny val (80 images), 640 px', 'yolov5_coco_tiny', 'map', 'map50'),
    ('YOLOv5n, BCCD official test, 320 px', 'yolov5_bccd', 'test_map', 'test_map50'),
    ('YOLOv5n, BCCD test_clean, 320 px', 'yolov5_bccd', 'test_clean_map', 'test_clean_map50'),
    ('YOLOv5n, BCCD 7 classes (5 known), test_clean, 320 px', 'yolov5_bccd7', 'test_map', 'test_map50'),
    ('YOLOv5n, malaria (3 known classes), test, 300 detections', 'yolov5_malaria', 'test_map', 'test_map50'),
    ('YOLOv5n, generated parasite eggs, test, from scratch (make demo)', 'demo', 'map', 'map50'),
)
# classes of at least 20 test boxes
MALARIA = {'red_blood_cell': 'red blood cell', 'ring': 'ring', 'gametocyte': 'gametocyte'}
# boxes named unknown at a budget of one an image; the other budgets stand in the result file
OPEN_SET = {
    'unknown_ap': 'AP unknown',
    'u_recall_1': 'U-Recall at 1',
    'precision_1': 'precision at 1',
    'queue_recall': 'queue recall',
    'aupr': 'AUPR',
    'aose': 'A-OSE',
    'wi': 'WI',
    'wi_opendet': 'WI (OpenDet2)',
    'aose_r50': 'A-OSE at recall .5',
    'wi_r50': 'WI at recall .5',
}
TASK = ('known_map', 'unknown_ap', 'u_recall_1', 'precision_1', 'queue_recall', 'aose_r50', 'wi_r50')
NAMES = {  # objects by the name that is shown from score .25 on
    'unknown_named': 'unknown, named so',
    'unknown_misnamed': 'unknown, by a known name',
    'known_lost': 'known, named unknown',
}


def yolov5_table() -> str:
    """mAP and mAP50 with spread over the seeds, and the command of each row."""
    rows = []
    for title, name, *keys in YOLOV5:
        result = read(name)
        if result:
            seeds = len(result['seeds']) or '-'
            rows.append([title, *(cell(result['figures'], key) for key in keys), seeds, f'`{result["command"]}`'])
    return markdown(['model and data', 'mAP', 'mAP50', 'seeds', 'command'], rows)


def modes_table(name: str, classes: dict[str, str]) -> str:
    """The modes of openset_NAME.json in the order of the file."""
    figures = read(f'openset_{name}').get('figures', {})
    modes = dict.fromkeys(key.partition('.')[0] for key in figures)
    columns = {'known_map': 'known mAP', **{f'{key}_ap': f'AP {title}' for key, title in classes.items()}, **OPEN_SET}
    rows = [[f'`{mode}`', *(open_set_cell(figures, f'{mode}.{key}') for key in columns)] for mode in modes]
    return markdown(['mode', *columns.values()], rows)


def cce_table() -> str:
    """Supervised malaria without and with CCE."""
    figures = read('cce_supervised_malaria').get('figures', {})
    columns = {'known_map': 'known mAP', **{f'{key}_ap': f'AP {title}' for key, title in MALARIA.items()}}
    kinds = {'plain': 'without', 'cce': 'with CCE'} if figures else {}
    rows = [[title, *(cell(figures, f'{kind}.{key}') for key in columns)] for kind, title in kinds.items()]
    return markdown(['', *columns.values()], rows)


def tasks_table() -> str:
    """The leave-one-class-out tasks of openset_tasks.json and their mean, in the order of the file."""
    figures = read('openset_tasks').get('figures', {})
    rows = dict.fromkeys(tuple(key.split('.', 2)[:2]) for key in figures)
    titles, keys = {'known_map': 'known mAP'} | OPEN_SET | NAMES, (*TASK, *NAMES)
    cells = [
        [task, f'`{mode}`', *(open_set_cell(figures, f'{task}.{mode}.{key}') for key in keys)] for task, mode in rows
    ]
    return markdown(['task', 'mode', *(titles[key] for key in keys)], cells)


TABLES = {
    'yolov5': yolov5_table,
    'openset_malaria': lambda: modes_table('malaria', MALARIA),
    'openset_bccd7': lambda: modes_table('bccd7', {}),
    'cce_supervised_malaria': cce_table,
    'openset_tasks': tasks_table,
    **SABRA,
    **TENSOR_TRAIN,
    **FPGA,
}


def open_set_cell(figures: dict[str, float], key: str) -> str:
    """:func:`cell` with the digits that its kind of figure has."""
    whole = 'aose' in key or key.rpartition('.')[2] in NAMES
    return cell(figures, key, 1 if whole else 4 if '.wi' in key else 3)


def fill(text: str) -> str:
    """``text`` with the body of every known table made anew."""
    for name, make in TABLES.items():
        pattern = rf'(<!-- table: {name} -->\n).*?(<!-- end -->)'
        text = re.sub(pattern, lambda found, make=make: f'{found[1]}{make()}\n{found[2]}', text, flags=re.S)
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
