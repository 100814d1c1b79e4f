"""The demo's detector, 4x smaller and in int8."""

from detplug.cli.demo_step import Demo, DemoStep, StepResult

BUDGET = '0.25'  # of the parameters
STEPS_OF_TUNING = 110
WARM_UP = 10  # steps


def small(demo: Demo) -> StepResult:
    """Compress, fine-tune beside the large detector, evaluate and export to int8 ONNX."""
    folder, tuned, bundle = (demo.root / name for name in ('small', 'tuned', 'onnx-int8'))
    large = demo.made('detector', 'config'), demo.made('detector', 'checkpoint')
    ranks = ('--budget', BUDGET, '--ranks', 'water_filling', '--rank-multiple', '8', '--relu')
    demo.run('compress', *large, *ranks, '--out', folder)
    schedule = (
        f'train_cfg.max_iters={STEPS_OF_TUNING}',
        f'param_scheduler.0.end={WARM_UP}',
        f'param_scheduler.1.begin={WARM_UP}',
        f'param_scheduler.1.end={STEPS_OF_TUNING}',
        f'param_scheduler.1.T_max={STEPS_OF_TUNING - WARM_UP}',
    )
    demo.run('train', folder / 'distill.py', '--work-dir', tuned, '--seed', demo.seed, '--cfg-options', *schedule)
    detector = folder / 'config.py', tuned / 'last.pth'
    metrics = demo.evaluate(*detector, 'small-test')
    demo.run('export', *detector, '--format', 'onnx-int8', '--out', bundle)
    return StepResult(
        made={'config': detector[0], 'checkpoint': detector[1]},
        text='Tensor-Train layers keep a quarter of the parameters, ReLU in place of SiLU is for hardware; fine-tuned '
        f'for {STEPS_OF_TUNING} steps to agree with the large detector.',
        figures={'small_map50': metrics['map50']},
        shown={'mAP50, 4x smaller': f'{metrics["map50"]:.3f}'},
        files={
            'report of the compression': folder / 'report.html',
            'report of the test': demo.root / 'small-test' / 'report.html',
            'int8 ONNX bundle': bundle,
        },
        go_on=('compress a detector', ('compress', *large, '--budget', '0.5', '--out', 'D')),
    )


STEPS = {'small': DemoStep('compress the detector 4x and to int8', small, after=('detector',))}
