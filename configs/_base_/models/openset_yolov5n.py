# Mean teacher on YOLOv5n; num_classes of the head is the known classes and one more, "unknown".
_base_ = './yolov5n.py'

detector = _base_.model
preprocessor = detector.pop('data_preprocessor')
model = dict(
    _delete_=True,
    type='OpenSetDetector',
    mode='oodfc_cce',  # supervised, closed, filter, oodfc, cce, oodfc_cce, oracle
    detector=detector,
    classes=80,
    burn_in=150,  # steps
    unsup_weight=1.0,
    # pseudo-labels: one class a place; score_thr is the lowest score that is looked at
    teacher_cfg=dict(
        score_thr=0.05, nms=dict(type='nms', iou_threshold=0.6), nms_pre=3000, max_per_img=300, multi_label=False
    ),
    thresholds=dict(gamma=1.5, lowest=0.2, highest=0.95),
    fusion=dict(tau_low=0.95, tau_high=0.99, objectness=0.6),
    scorer=dict(type='KNN', neighbour=5),
    cce=dict(mode='blend', beta=0.5, number=(1, 3), eta=1.0),
    data_preprocessor=dict(type='MultiBranchDataPreprocessor', data_preprocessor=preprocessor),
)
