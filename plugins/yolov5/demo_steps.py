"""The detector that the demo trains from scratch."""

from detplug.cli.demo_step import Demo, DemoStep, StepResult

CONFIG = 'detplug::tt_yolov5/yolov5n_parasite-samples.py'
STEPS_OF_TRAINING = 400  # of 8 images


def detector(demo: Demo) -> StepResult:
    """Train on the slides and evaluate on their test split."""
    folder = demo.root / 'train'
    schedule = ('--cfg-options', f'max_iters={STEPS_OF_TRAINING}')
    demo.run('train', CONFIG, '--work-dir', folder, '--seed', demo.seed, *schedule)
    best = folder / 'best.pth'
    metrics = demo.evaluate(CONFIG, best, 'test')
    return StepResult(
        made={'checkpoint': best, 'metrics': demo.root / 'test' / 'metrics.json'},
        text=f'YOLOv5n from scratch, {STEPS_OF_TRAINING} steps; figures are of the test split.',
        figures={name: metrics[name] for name in ('map', 'map50')},
        shown={'mAP50': f'{metrics["map50"]:.3f}', 'mAP': f'{metrics["map"]:.3f}'},
        files={
            'report of the training': folder / 'report.html',
            'report of the test': demo.root / 'test' / 'report.html',
            'checkpoint': best,
        },
        pictures=[demo.root / 'test' / 'images.png', demo.root / 'test' / 'confusion.png'],
    )


STEPS = {'detector': DemoStep('train a detector of eggs and evaluate it', detector, after=('slides',))}
