"""The table that a training or test ends with."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from detplug.entry_points import plugin_table

HEADLINES = {
    'map': 'mAP',
    'map50': 'mAP50',
    'map75': 'mAP75',
    'map_s': 'mAP small',
    'map_m': 'mAP medium',
    'map_l': 'mAP large',
    'ar': 'AR',
}


def figure(value: float | None) -> str:
    """Three digits, or a dash where the figure does not exist (COCO's -1, or none)."""
    return '–' if value is None or value < 0 else f'{value:.3f}'


def metrics_table(metrics: Mapping[str, float], classes: Sequence[str], console: Console | None = None) -> None:
    """Print AP and AP50 per class, all classes in the first row, and the other headline figures below.

    Metrics without an AP of a class are listed as they are.
    """
    console = console or Console()
    if metrics and not any(f'ap/{name}' in metrics for name in classes):
        table = Table('figure', box=None, header_style='bold')
        table.add_column('value', justify='right')
        for name, value in metrics.items():
            table.add_row(escape(name), figure(value))
        console.print(table)
        return
    table = Table('class', box=None, header_style='bold')
    for name in ('AP', 'AP50'):
        table.add_column(name, justify='right')
    table.add_row('all', figure(metrics.get('map')), figure(metrics.get('map50')), style='bold')
    for name in classes:
        table.add_row(escape(name), figure(metrics.get(f'ap/{name}')), figure(metrics.get(f'ap50/{name}')))
    console.print(table)
    console.print(
        '  '.join(f'{title} {figure(metrics[key])}' for key, title in HEADLINES.items() if key in metrics),
        highlight=False,
    )
    more = [text.format(metrics[key]) for key, text in figure_texts().items() if key in metrics]
    if more:
        console.print('  '.join(more), highlight=False)


def figure_texts() -> dict[str, str]:
    """Figures of plugins' metrics that belong below the table, in their order: name -> text with its format."""
    return plugin_table('figure_texts', 'TEXTS', {})
