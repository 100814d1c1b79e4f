# SABRA with Faster R-CNN R50-FPN on VRD, detector fine-tuned, for machines with GPUs.
_base_ = [
    '../_base_/runtime.py',
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py',
    '../_base_/datasets/vrd.py',
    '../_base_/schedules/relations.py',
]
custom_imports = dict(imports=['plugins.sabra'], allow_failed_imports=False)
detector = _base_.model
preprocessor = detector.pop('data_preprocessor')
detector['roi_head']['bbox_head']['num_classes'] = len(_base_.classes)
kinds = [0 if name == 'person' else 1 for name in _base_.classes]  # person, anything else
model = dict(
    _delete_=True,
    type='RelationDetector',
    detector=detector,
    data_preprocessor=preprocessor,
    frozen=False,
    max_boxes=32,
    score_thr=0.05,
    head=dict(
        type='RelationHead',
        predicates=70,
        object_kinds=kinds,
        exclusive=True,
        visual=dict(channels=256, stride=8, level=1),
        sampler=dict(type='BalancedNegativeSampler', num_pairs=64, pos_fraction=0.25),
    ),
)
default_hooks = dict(checkpoint=dict(metric='relationship_r50_k1'))
custom_hooks = [dict(type='RelationHook'), dict(type='ReportHook', key='relationship_r50_k1')]
