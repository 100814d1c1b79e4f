"""The demo's detector learns to say "unknown"."""

import json

from detplug.cli.demo_step import Demo, DemoStep, StepResult

# known eggs an image, and share of those of a species, that may be named unknown on val
FALSE_ALARMS = ('--budget', '0.3', '--class-share', '0.25')
COUNTED = ('unknown_objects', 'unknown_misnamed', 'known_objects')  # of OpenSetMetric
SHOWN = 8  # pictures


def unknown(demo: Demo) -> StepResult:
    """Fit what known eggs look like, export a bundle that names the others, and run it on the test slides."""
    folder, bundle, results = (demo.root / name for name in ('unknown', 'bundle', 'predictions'))
    known = demo.made('detector', 'config'), demo.made('detector', 'checkpoint')
    demo.run('add-unknown', *known, '--out', folder, *FALSE_ALARMS)
    detector = folder / 'config.py', folder / 'checkpoint.pth'
    after = demo.evaluate(*detector, 'unknown-test')
    demo.run('export', *detector, '--format', 'onnx', '--out', bundle)
    demo.run('predict', bundle, demo.made('slides', 'images') / 'test_*.jpg', '--out', results, '--overwrite')
    before = json.loads(demo.made('detector', 'metrics').read_text())
    figures = {name: before[name] for name in COUNTED}
    figures |= {f'open_{name}': after[name] for name in ('unknown_named', 'unknown_misnamed', 'known_lost')}
    eggs, others = before['unknown_objects'], before['known_objects']
    return StepResult(
        made={'bundle': bundle, 'results': results},
        text=f'Of {eggs:g} eggs of unknown species the detector called {before["unknown_misnamed"]:g} by a known '
        f'name. Now {after["unknown_named"]:g} are named unknown (black and white dashes) and '
        f'{after["unknown_misnamed"]:g} by a known name; {after["known_lost"]:g} of {others:g} known eggs are named '
        'unknown. The bundle does so without torch.',
        figures=figures,
        shown={
            f'of {eggs:g} unknown eggs are named unknown': f'{after["unknown_named"]:g}',
            f'of {others:g} known eggs are named unknown': f'{after["known_lost"]:g}',
        },
        files={
            'report of the test': demo.root / 'unknown-test' / 'report.html',
            'all drawn slides': results / 'pictures',
            'predictions, as COCO results': results / 'predictions.json',
            'ONNX bundle': bundle,
        },
        pictures=sorted((results / 'pictures').iterdir())[:SHOWN],
        go_on=('find eggs, unknown ones too', ('predict', bundle, 'PICTURES', '--out', 'D')),
    )


STEPS = {'unknown': DemoStep('name unknown what looks like no species of the training', unknown, after=('detector',))}
