"""The notebook runs from its first cell to its last, on few small slides and for two steps.

But for its export: the detector of two steps finds nothing that an export could be compared by, and is refused.
"""

import ast
import json
from pathlib import Path

from plugins.samples import parasites

NOTEBOOK = Path(__file__).resolve().parents[2] / 'docs' / 'first_detector.ipynb'
CONTENT = json.loads(NOTEBOOK.read_text(encoding='utf-8'))
CODE = [cell for cell in CONTENT['cells'] if cell['cell_type'] == 'code']


def test_it_is_stored_without_results():
    assert all(not cell['outputs'] and cell['execution_count'] is None for cell in CODE)
    assert len({cell['id'] for cell in CONTENT['cells']}) == len(CONTENT['cells']) and CONTENT['nbformat'] == 4


def run(cell: str, names: dict) -> object:
    """Run a cell; returns the value of its last expression, which a notebook would show."""
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, 'cell', 'exec'), names)
    return None if last is None else eval(compile(ast.Expression(last.value), 'cell', 'eval'), names)


def test_every_cell_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few, generate = dict(train=4, val=2, test=4), parasites.generate
    monkeypatch.setattr(parasites, 'generate', lambda folder: generate(folder, counts=few, size=64))
    cells = [''.join(cell['source']).replace('minutes=5', 'steps=2, batch=2') for cell in CODE]
    assert sum('steps=2' in cell for cell in cells) == 1 and sum('export' in cell for cell in cells) == 1
    names: dict = {}
    shown = [run(cell, names) for cell in cells if 'export' not in cell]
    assert all(hasattr(shown[number], '_repr_html_') for number in (2, -1))  # predictions
    assert (tmp_path / 'work_dirs/notebook/best.pth').is_file()
