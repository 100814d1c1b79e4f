"""The demo's eggs are counted."""

import csv
import json

from detplug.cli.demo_step import Demo, DemoStep, StepResult

UNKNOWN = 'unknown'  # the class


def count(demo: Demo) -> StepResult:
    """Count the predicted eggs of the test slides together."""
    results = demo.made('unknown', 'results')
    out = demo.root / 'counts'
    demo.run('count', results, '--by', 'folder', '--out', out)
    with open(out / 'counts.csv', newline='') as file:
        rows = {row['class']: row for row in csv.DictReader(file)}
    truth = json.loads((demo.made('slides', 'annotations') / 'test.json').read_text())
    known = [row for name, row in rows.items() if name != UNKNOWN]
    counted, eggs = sum(int(row['count']) for row in known), len(truth['annotations'])
    return StepResult(
        text=f'The test slides hold {eggs} eggs. Limits are of 95 %; the page of counts has each species.',
        figures={'counted_known': counted, 'counted_unknown': int(rows[UNKNOWN]['count'])},
        shown={
            'eggs of known species': str(counted),
            f'of unknown species ({rows[UNKNOWN]["low"]} to {rows[UNKNOWN]["high"]})': rows[UNKNOWN]['count'],
        },
        files={'counts': out / 'counts.html', 'counts as a table': out / 'counts.csv'},
        go_on=('count what predict found', 'detplug count D --by folder'),
    )


STEPS = {'count': DemoStep('count the eggs', count, after=('unknown',))}
