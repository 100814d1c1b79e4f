# Chula-ParasiteEgg-11: nine known species of eggs, Paragonimus and Taenia are unknown; 20 % labelled.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/openset_yolov5n.py',
    '../_base_/datasets/openset_chula_egg11.py',
    '../_base_/schedules/semi.py',
]
custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.openset.register'], allow_failed_imports=False)
# max_per_img: 300 a class x 10
model = dict(
    classes=9,
    detector=dict(bbox_head=dict(num_classes=10, criterion=dict(cls_weight=1.5)), test_cfg=dict(max_per_img=3000)),
    teacher_cfg=dict(max_per_img=3000),
)
custom_hooks = [dict(type='OpenSetHook', momentum=0.01, refit=100, interval=50), dict(type='ReportHook')]
load_from = 'checkpoints/yolov5n_coco.pth'  # made by tools/convert_weights.py
