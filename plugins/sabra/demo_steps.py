"""Relations of the demo's scenes."""

from pathlib import Path

from detplug.cli.demo_step import Demo, DemoStep, StepResult

CONFIG = 'detplug::sabra/sabra_yolov5n_samples.py'
STEPS_OF_TRAINING = 400  # of 8 images
SIDE = 192  # of the network's input, px; of 320 are the scenes
HEAD_SIDE = 16  # of the crop of a head, px: 28 in the config, for 320
SHOWN = 8  # pictures


def relations(demo: Demo) -> StepResult:
    """Train a detector and its relation head on the scenes, evaluate, and draw the relations of the test scenes."""
    folder, results = demo.root / 'relations', demo.root / 'relation-predictions'
    sizes = (f'img_scale=({SIDE},{SIDE})', f'model.head.head_crops.side={HEAD_SIDE}')
    changes = ('--cfg-options', f'max_iters={STEPS_OF_TRAINING}', *sizes)
    demo.run('train', CONFIG, '--work-dir', folder, '--seed', demo.seed, *changes)
    config, best = folder / Path(CONFIG).name, folder / 'best.pth'  # the training leaves its config
    metrics = demo.evaluate(config, best, 'relations-test')
    images = demo.made('scenes', 'images') / 'test_*.jpg'
    demo.run('predict', config, best, images, '--out', results, '--overwrite', '--relation-thr', '0.3')
    return StepResult(
        text=f'SABRA on YOLOv5n, both from scratch at {SIDE} px, {STEPS_OF_TRAINING} steps. An arrow leads from a '
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
        go_on=('find relations', ('predict', config, best, 'PICTURES', '--out', 'D')),
    )


STEPS = {'relations': DemoStep('learn the relations of scenes', relations, after=('scenes',))}
