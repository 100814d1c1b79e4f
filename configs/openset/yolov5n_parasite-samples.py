# Generated parasite eggs: 8 known species, paragonimus and hymenolepis are unknown and not labelled.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/openset_yolov5n.py',
    '../_base_/datasets/openset_samples.py',
    '../_base_/schedules/semi.py',
]
custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.openset.register'], allow_failed_imports=False)
model = dict(
    classes=8,
    # max_per_img: 300 a class x 9
    detector=dict(bbox_head=dict(num_classes=9, criterion=dict(cls_weight=1.5)), test_cfg=dict(max_per_img=2700)),
    teacher_cfg=dict(max_per_img=2700),
    scorer=dict(type='KNN'),  # chosen on val: few boxes of each class, all drawn by one hand
)
custom_hooks = [dict(type='OpenSetHook', momentum=0.01, refit=100, interval=50), dict(type='ReportHook')]
load_from = 'checkpoints/yolov5n_coco.pth'  # made by tools/convert_weights.py
