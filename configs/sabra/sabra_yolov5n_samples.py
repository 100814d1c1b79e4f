# SABRA with YOLOv5n on the generated scenes, detector and relation head learned together, from scratch.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/yolov5n.py',
    '../_base_/datasets/relation_samples.py',
    '../_base_/schedules/samples.py',
]
custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.sabra.register'], allow_failed_imports=False)
detector = _base_.model
preprocessor = detector.pop('data_preprocessor')
classes = 7
detector['bbox_head']['num_classes'] = classes
model = dict(
    _delete_=True,
    type='RelationDetector',
    detector=detector,
    frozen=False,
    map_gradient=0.0,  # in so few steps the head's gradient keeps the detector from learning
    max_boxes=24,
    score_thr=0.05,
    data_preprocessor=preprocessor,
    head=dict(
        type='RelationHead',
        predicates=5,
        object_kinds=[0] + [1] * (classes - 1),  # person, object
        subject_labels=[0],
        graph=dict(dims=128),
        dims=128,
        visual=dict(channels=64, stride=8, level=0, dims=64),
        head_crops=dict(predicates=[4], side=28),  # look at
        sampler=dict(type='BalancedNegativeSampler', num_pairs=32, pos_fraction=0.5, scope='batch', replacement=True),
    ),
)
max_iters = 900
train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min=2e-5, by_epoch=False, begin=50, end=max_iters, T_max=max_iters - 50),
]
custom_hooks = [*_base_.custom_hooks, dict(type='RelationHook')]
