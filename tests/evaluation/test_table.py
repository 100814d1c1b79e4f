"""The table on the screen."""

import io

from rich.console import Console

from detplug.evaluation.table import metrics_table


def printed(metrics, classes):
    console = Console(file=io.StringIO(), width=100)
    metrics_table(metrics, classes, console)
    return console.file.getvalue()


def test_every_class_and_headline_is_on_the_screen():
    text = printed({'map': 0.5, 'map50': 0.75, 'ap/egg': 0.5, 'ap50/egg': 0.75, 'minutes': 3.0}, ('egg', 'worm [old]'))
    lines = text.splitlines()
    assert [line.split() for line in lines[1:3]] == [['all', '0.500', '0.750'], ['egg', '0.500', '0.750']]
    assert lines[3].split() == ['worm', '[old]', '–', '–']
    assert 'mAP50 0.750' in lines[4]


def test_no_figures_at_all():
    assert printed({}, ()).splitlines()[1].split() == ['all', '–', '–']
