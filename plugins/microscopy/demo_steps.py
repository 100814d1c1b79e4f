"""The demo's eggs are counted."""

import csv

from detplug.cli.demo_step import Demo, DemoStep, StepResult

UNKNOWN = 'unknown'  # the class
FALSE_ALARMS = '0.1'  # of each species, at most so many a val slide


def count(demo: Demo) -> StepResult:
    """Choose a threshold for each species on the val slides; count the predicted eggs of the test slides together."""
    slides, out = demo.made('slides', 'images'), demo.root / 'counts'
    val, calibration = demo.root / 'val-predictions', demo.root / 'counting.json'
    demo.run('predict', demo.made('unknown', 'bundle'), slides / 'val_*.jpg', '--out', val, '--no-pictures')
    truth = ('--truth', demo.made('slides', 'annotations') / 'val.json')
    demo.run('count', val, *truth, '--false-alarms', FALSE_ALARMS, '--calibrate', calibration)
    results = demo.made('unknown', 'results')
    demo.run('count', results, '--by', 'folder', '--calibration', calibration, '--out', out)
    with open(out / 'counts.csv', newline='') as file:
        rows = {row['class']: row for row in csv.DictReader(file)}
    truth, unknown = demo.results['unknown'].figures, rows[UNKNOWN]
    counted = sum(int(row['count']) for name, row in rows.items() if name != UNKNOWN)
    limits = f'{float(unknown["low"]):.0f} to {float(unknown["high"]):.0f}'
    return StepResult(
        text=f'The slides hold {truth["known_objects"]:g} eggs of known and {truth["unknown_objects"]:g} of unknown '
        'species. The page of counts has each known species corrected for what is missed and invented, with limits of '
        '95 %; unknown are all boxes of this name from the score of the prediction on, not corrected.',
        figures={'counted_known': counted, 'counted_unknown': int(unknown['count'])},
        shown={
            'eggs of known species counted': str(counted),
            f'of unknown species counted ({limits})': unknown['count'],
        },
        files={'counts': out / 'counts.html', 'counts as a table': out / 'counts.csv'},
        go_on=('count what predict found', ('count', 'D', '--by', 'folder', '--calibration', calibration)),
    )


STEPS = {'count': DemoStep('count the eggs', count, after=('unknown',))}
