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


def test_unknown_objects_have_a_line_of_their_own():
    plain = {'map': 0.5, 'map50': 0.75, 'ap/egg': 0.5, 'unknown_objects': 44.0, 'unknown_misnamed': 27.0}
    assert printed(plain, ('egg',)).splitlines()[-1].strip() == '44 unknown objects:  27 with a known name'
    named = plain | {'unknown_named': 9, 'unknown_ap': 0.1234, 'u_recall_1': 0.5, 'precision_1': 0.25}
    said = printed(named, ('egg',)).split('\n')[-3].strip()
    assert said.startswith('44 unknown objects:  9 named unknown  27 with a known name  AP 0.123  U-Recall 0.500')
