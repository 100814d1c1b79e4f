"""The cases of the battery: a config, what is changed in it, and which stages it goes through."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
USUAL = ('train', 'resume', 'resume_on_cpu', 'test', 'predict')
WITHOUT_PICTURES = USUAL[:-1]
SELECTORS = ('sensitivity', 'lwiq', 'water_filling', 'uniform', 'energy', 'activation_energy')
SAMPLERS = {
    'image': dict(type='BalancedNegativeSampler', scope='image'),
    'batch': dict(type='BalancedNegativeSampler', scope='batch'),
    'running': dict(type='BalancedNegativeSampler', scope='running'),
    'replacement': dict(type='BalancedNegativeSampler', replacement=True),
    'uniform': dict(type='UniformSampler'),
    'hard': dict(type='HardNegativeSampler'),
    'all': dict(type='AllPairsSampler', _delete_=True),  # it has no options
}
MODES = ('supervised', 'closed', 'filter', 'oodfc', 'cce', 'oodfc_cce', 'oracle', 'oodfc_cce_oracle')
SCORERS = 'MSP MaxLogit Energy Mahalanobis RMD KNN ViM ReAct ASHS VRA VRAPlus VRAPlusPlus'.split()

YOLOV5 = 'configs/yolov5/yolov5n_parasite-samples.py'
FASTER_RCNN = 'configs/yolov5/faster-rcnn_yolov5n_bccd.py'
OPEN_SET = 'configs/openset/yolov5n_parasite-samples.py'
SOFT_TEACHER = 'configs/openset/soft-teacher_malaria.py'
RELATION_BOXES = 'configs/sabra/sabra_vrd_boxes.py'
RELATIONS = 'configs/sabra/sabra_yolov5n_samples.py'
TO_COMPRESS = 'configs/tt_yolov5/yolov5n-relu_bccd.py'

# the first step is on labelled images alone; an untrained teacher's boxes are sure enough, some look known
PSEUDO_LABELS = dict(
    model=dict(
        burn_in=1,
        teacher_cfg=dict(score_thr=1e-6),
        thresholds=dict(lowest=1e-6, gamma=40.0),
        fusion=dict(tau_low=0.45, tau_high=0.5, objectness=1e-4, floor=1e-7),
        cce=dict(sure=0.0, ordinary=1.1),
    ),
    custom_hooks=[dict(type='OpenSetHook', momentum=0.5, refit=2, interval=1)],
)
EVERY_BOX = dict(model=dict(score_thr=0.0))  # of an untrained detector
SURE_ENOUGH = dict(pseudo_label_initial_score_thr=0.0, rpn_pseudo_thr=0.0, cls_pseudo_thr=0.0, reg_pseudo_thr=1e6)


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
        Case('yolov5', 'yolov5', YOLOV5, {}, (*USUAL, 'export')),
        Case('faster-rcnn', 'faster-rcnn', FASTER_RCNN, {}, ('train', 'predict')),
        Case('compression', 'compression', TO_COMPRESS, {}, ('train', 'compress', 'quantise')),
        Case('openset', 'openset', OPEN_SET, PSEUDO_LABELS),
        Case('soft-teacher', 'soft-teacher', SOFT_TEACHER, soft_teacher(), ('train',)),
        Case('sabra-boxes', 'sabra-boxes', RELATION_BOXES, {}, ('train', 'resume')),
        Case('sabra', 'sabra', RELATIONS, EVERY_BOX, ('train', 'predict')),
    ]


def every_case() -> list[Case]:
    """Every config through the usual stages; every mode, scorer, sampler and selector of one config of its family."""
    cases = [config_case(path) for path in sorted((ROOT / 'configs').glob('*/*.py')) if path.parent.name != '_base_']
    cases += [changed('openset', OPEN_SET, mode, dict(mode=mode), PSEUDO_LABELS) for mode in MODES]
    cases += [changed('openset', OPEN_SET, kind, dict(scorer=dict(type=kind)), PSEUDO_LABELS) for kind in SCORERS]
    cases += [changed('openset', OPEN_SET, 'imbalance', dict(imbalance=0.5), PSEUDO_LABELS)]
    two_stage = 'configs/openset/faster-rcnn_yolov5n_malaria.py'
    # an untrained head may see another class in the labelled objects than in all that it finds
    any_look = dict(ood_by_class=False)
    cases += [changed('openset-faster-rcnn', two_stage, x, dict(mode=x) | any_look, PSEUDO_LABELS) for x in MODES]
    for family, config in (('sabra-boxes', RELATION_BOXES), ('sabra', RELATIONS)):
        cases += [
            changed(family, config, name, dict(head=dict(sampler=dict(x))), EVERY_BOX if family == 'sabra' else {})
            for name, x in SAMPLERS.items()
        ]
    compressions = ('train', 'export', 'compress', 'pull', 'compress_by_all', 'quantise')
    return [*cases, Case('compression', 'compression', TO_COMPRESS, {}, compressions)]


def soft_teacher() -> dict:
    """Every box of the teacher is a pseudo-label."""
    return dict(model=dict(semi_train_cfg=SURE_ENOUGH))


def config_case(path: Path) -> Case:
    """The case of a config file by what its folder and name say."""
    folder, name = path.parent.name, path.stem
    changes, stages = {}, USUAL
    if name.startswith('soft-teacher'):
        family, changes = 'soft-teacher', soft_teacher()
    elif folder == 'openset' and 'supervised' not in name:
        family = 'openset-faster-rcnn' if name.startswith('faster-rcnn') else 'openset'
        changes = PSEUDO_LABELS
    elif folder == 'sabra':
        without_pictures = name.endswith(('_boxes', '_predicates'))
        family, stages = ('sabra-boxes', WITHOUT_PICTURES) if without_pictures else ('sabra', USUAL)
    elif folder == 'tt_yolov5' and 'tt-yolov5' in name:
        family = 'tensor-train'
        changes = PSEUDO_LABELS if name.startswith('openset') else {}
    else:
        family = 'faster-rcnn' if name.startswith('faster-rcnn') else 'yolov5'
    if family == 'sabra':
        changes = EVERY_BOX
    return Case(f'{folder}/{name}', family, str(path.relative_to(ROOT)), changes, stages)


def changed(family: str, config: str, name: str, model: dict, also: dict | None = None) -> Case:
    """Another mode, scorer or sampler in the place of the config's."""
    changes = {**(also or {}), 'model': {**(also or {}).get('model', {}), **model}}
    return Case(f'{family}/{name}', family, config, changes, ('train', 'test'))
