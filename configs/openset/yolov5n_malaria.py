# Malaria: red blood cell, ring and gametocyte are known; trophozoite and schizont are unknown.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/openset_yolov5n.py',
    '../_base_/datasets/openset_malaria.py',
    '../_base_/schedules/semi.py',
]
custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.openset.register'], allow_failed_imports=False)
model = dict(
    classes=3,
    # cls_weight: one cell in a hundred is no plain red blood cell; with 1.5 the rest is never told apart
    # iou_threshold: of 31,469 annotated boxes 18 overlap one of their class by more; max_per_img: 300 a class x 4
    detector=dict(
        bbox_head=dict(num_classes=4, criterion=dict(cls_weight=6.0)),
        test_cfg=dict(nms=dict(iou_threshold=0.5), max_per_img=1200),
    ),
    teacher_cfg=dict(nms=dict(iou_threshold=0.5), max_per_img=1200),
    cce=dict(number=(4, 10)),  # of about 110 objects an image
)
custom_hooks = [dict(type='OpenSetHook', momentum=0.01, refit=100, interval=50), dict(type='ReportHook')]
load_from = 'checkpoints/yolov5n_coco.pth'  # made by tools/convert_weights.py
