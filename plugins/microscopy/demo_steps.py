"""The demo's eggs are counted."""

import csv

from detplug.cli.demo_step import Demo, DemoStep, StepResult

UNKNOWN = 'unknown'  # the class


def count(demo: Demo) -> StepResult:
    """Count the predicted eggs of the test slides together."""
    results = demo.made('unknown', 'results')
    out = demo.root / 'counts'
    demo.run('count', results, '--by', 'folder', '--out', out)
    with open(out / 'counts.csv', newline='') as file:
        rows = {row['class']: row for row in csv.DictReader(file)}
    truth, unknown = demo.results['unknown'].figures, rows[UNKNOWN]
    counted = sum(int(row['count']) for name, row in rows.items() if name != UNKNOWN)
    limits = f'{float(unknown["low"]):.0f} to {float(unknown["high"]):.0f}'
    return StepResult(
        text=f'The slides hold {truth["known_objects"]:g} eggs of known and {truth["unknown_objects"]:g} of unknown '
        'species. Limits are of 95 %; the page of counts has each species.',
        figures={'counted_known': counted, 'counted_unknown': int(unknown['count'])},
        shown={
            'eggs of known species counted': str(counted),
            f'of unknown species counted ({limits})': unknown['count'],
        },
        files={'counts': out / 'counts.html', 'counts as a table': out / 'counts.csv'},
        go_on=('count what predict found', ('count', 'D', '--by', 'folder')),
    )


STEPS = {'count': DemoStep('count the eggs', count, after=('unknown',))}
