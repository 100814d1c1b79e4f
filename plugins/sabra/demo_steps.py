"""Relations of the demo's scenes."""

from detplug.cli.demo_step import Demo, DemoStep, StepResult

CONFIG = 'detplug::sabra/sabra_yolov5n_samples.py'
STEPS_OF_TRAINING = 500  # of 8 images
SHOWN = 8  # pictures


def relations(demo: Demo) -> StepResult:
    """Train a detector and its relation head on the scenes, evaluate, and draw the relations of the test scenes."""
    folder, results = demo.root / 'relations', demo.root / 'relation-predictions'
    schedule = ('--cfg-options', f'max_iters={STEPS_OF_TRAINING}')
    demo.run('train', CONFIG, '--work-dir', folder, '--seed', demo.seed, *schedule)
    best = folder / 'best.pth'
    metrics = demo.evaluate(CONFIG, best, 'relations-test')
    images = demo.made('scenes', 'images') / 'test_*.jpg'
    demo.run('predict', CONFIG, best, images, '--out', results, '--overwrite', '--relation-thr', '0.3')
    return StepResult(
        text=f'SABRA on YOLOv5n, both from scratch, {STEPS_OF_TRAINING} steps. An arrow leads from a '
        'person to the thing.',
        figures={'relation_map': metrics['map']},
        shown={'mAP of relations, test split': f'{metrics["map"]:.3f}'},
        files={
            'report of the training': folder / 'report.html',
            'all drawn scenes': results / 'pictures',
            'relations, as json': results / 'relations.json',
            'checkpoint': best,
        },
        pictures=sorted((results / 'pictures').iterdir())[:SHOWN],
        go_on=('find relations', f'detplug predict {CONFIG} {best} PICTURES --out D'),
    )


STEPS = {'relations': DemoStep('learn the relations of scenes', relations, after=('scenes',))}
