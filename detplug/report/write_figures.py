"""Write report.html of an evaluation that is not about boxes: figures, curves, and pictures that its metric draws."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from detplug import html_page as page
from detplug.evaluation.table import figure
from detplug.report.sections import picture_section, training_sections

TABLE_ROWS = 30  # figures in one table; more are set side by side


def write_figures_report(
    folder: str | Path,
    split: str,
    metrics: Mapping[str, float],
    *,
    title: str,
    key: str,
    history: Sequence[Mapping] = (),
    facts: Mapping[str, str] | None = None,
    pictures: Mapping[str, tuple[str, np.ndarray]] | None = None,
    sections: Sequence[str] = (),
) -> Path:
    """Write ``folder``/report.html, one self-contained file, and the same pictures as PNG beside it.

    Args:
        metrics: flat figures 0 .. 1.
        key: the figure that chooses the checkpoint, whose curve is shown.
        history, facts, pictures, sections: as :func:`detplug.report.write.write_report` takes them.

    Returns:
        Path of report.html.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(name, figure(value)) for name, value in metrics.items() if name != 'time']
    step = max(TABLE_ROWS, -(-len(rows) // 3))
    tables = ''.join(page.table(('figure', 'value'), rows[i : i + step]) for i in range(0, len(rows), step))
    sections = [
        page.section(f'Figures on the {split} split', '', tables or 'none', kind='tables'),
        *training_sections(folder, history, {f'val/{key}': key}),
        *(picture_section(folder, heading, note, picture) for heading, (note, picture) in (pictures or {}).items()),
        *sections,
        page.section('Run', '', page.table((), list((facts or {}).items()), kind='facts')),
    ]
    path = folder / 'report.html'
    path.write_text(page.page(title, sections), encoding='utf-8')
    return path
