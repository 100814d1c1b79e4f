"""What the tables of all plugins are made of: a result file, a figure with its spread, Markdown."""

import json

from record import RESULTS


def read(name: str) -> dict:
    """The result file of that name; empty where there is none."""
    path = RESULTS / f'{name}.json'
    return json.loads(path.read_text()) if path.exists() else {}


def markdown(head: list[str], rows: list[list]) -> str:
    """A Markdown table, or a line that says there is none yet."""
    if not rows:
        return 'Not measured yet.'
    return '\n'.join(f'| {" | ".join(map(str, row))} |' for row in (head, ['---'] * len(head), *rows))


def cell(figures: dict[str, float], key: str, digits: int = 3) -> str:
    """A figure with its spread; '-' where it does not exist."""
    if key not in figures:
        return '-'
    spread = figures.get(f'{key}_std')
    return f'{figures[key]:.{digits}f}' + (f' ± {spread:.{digits}f}' if spread is not None else '')
