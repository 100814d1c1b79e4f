"""The detector that the demo trains from scratch."""

from pathlib import Path

from detplug.cli.demo_step import Demo, DemoStep, StepResult

CONFIG = 'detplug::tt_yolov5/yolov5n_parasite-samples.py'
STEPS_OF_TRAINING = 900  # of 8 images
SIDE = 256  # of the network's input, px; of 320 are the slides


def detector(demo: Demo) -> StepResult:
    """Train on the slides and evaluate on their test split."""
    folder = demo.root / 'train'
    changes = ('--cfg-options', f'max_iters={STEPS_OF_TRAINING}', f'img_scale=({SIDE},{SIDE})')
    demo.run('train', CONFIG, '--work-dir', folder, '--seed', demo.seed, *changes)
    config, best = folder / Path(CONFIG).name, folder / 'best.pth'  # the training leaves its config
    metrics = demo.evaluate(config, best, 'test')
    return StepResult(
        made={'config': config, 'checkpoint': best, 'metrics': demo.root / 'test' / 'metrics.json'},
        text=f'YOLOv5n from scratch at {SIDE} px, {STEPS_OF_TRAINING} steps; figures are of the test split.',
        figures={name: metrics[name] for name in ('map', 'map50')},
        shown={'mAP50': f'{metrics["map50"]:.3f}', 'mAP': f'{metrics["map"]:.3f}'},
        files={
            'report of the training': folder / 'report.html',
            'report of the test': demo.root / 'test' / 'report.html',
            'checkpoint': best,
        },
        go_on=('train on pictures of your own', ('train', '--data', 'FOLDER', '--model', 'yolov5n', '--work-dir', 'D')),
        pictures=[demo.root / 'test' / 'images.png', demo.root / 'test' / 'confusion.png'],
    )


STEPS = {'detector': DemoStep('train a detector of eggs and evaluate it', detector, after=('slides',))}
