"""The cases of the battery: a config, what is changed in it, and which stages it goes through."""

from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
USUAL = ('train', 'resume', 'resume_on_cpu', 'test', 'predict')
SELECTORS = ('sensitivity', 'lwiq', 'water_filling', 'uniform', 'energy', 'activation_energy')
SAMPLERS = ('BalancedNegativeSampler', 'UniformSampler', 'HardNegativeSampler', 'AllPairsSampler')
MODES = ('supervised', 'closed', 'filter', 'oodfc', 'cce', 'oodfc_cce', 'oracle')
SCORERS = (
    'MSP MaxLogit Energy Mahalanobis RMD KNN ViM ReAct ASHS VRA VRAPlus VRAPlusPlus'.split()
)

# the first step is on labelled images alone; an untrained teacher's boxes are sure enough, some look known
PSEUDO = dict(
    burn_in=1,
    teacher_cfg=dict(score_thr=0.0001),
    thresholds=dict(lowest=0.0001, gamma=20.0),
    fusion=dict(tau_low=0.45, tau_high=0.5, objectness=0.001, floor=0.00001),
)
OPEN_SET = dict(model=PSEUDO, custom_hooks=[dict(type='OpenSetHook', momentum=0.5, refit=2, interval=1)])


@dataclass(frozen=True)
class Case:
    """``changes`` are merged into the config of the file ``config``; ``family`` is what the counts are recorded of."""

    name: str
    family: str
    config: str
    changes: dict
    stages: tuple[str, ...] = USUAL


def one_of_each() -> list[Case]:
    """A config a family: what `make test` runs."""
    return [
        Case('yolov5', 'yolov5', 'configs/yolov5/yolov5n_parasite-samples.py', {}, (*USUAL, 'export', 'compress')),
        Case('openset', 'openset', 'configs/openset/yolov5n_parasite-samples.py', OPEN_SET),
    ]


def every_case() -> list[Case]:
    """Every config, mode, scorer, sampler and selector."""
    return one_of_each()
