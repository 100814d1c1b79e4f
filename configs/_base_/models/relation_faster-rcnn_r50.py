# Faster R-CNN R50-FPN, fine-tuned, with a relation head that sees its maps.
_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'

detector = _base_.model
preprocessor = detector.pop('data_preprocessor')
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
        visual=dict(channels=256, stride=8, level=1),
        sampler=dict(type='BalancedNegativeSampler', num_pairs=64, pos_fraction=0.25, scope='batch', replacement=True),
    ),
)
