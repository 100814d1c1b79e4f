# Roboflow 100, parasites: six known species, Hymenolepis and Schistosoma are unknown; 20 % labelled.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/openset_yolov5n.py',
    '../_base_/datasets/openset_rf100_parasites.py',
    '../_base_/schedules/semi.py',
]
custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.openset.register'], allow_failed_imports=False)
# max_per_img: 300 a class x 7
model = dict(
    classes=6,
    detector=dict(bbox_head=dict(num_classes=7, criterion=dict(cls_weight=1.5)), test_cfg=dict(max_per_img=2100)),
    teacher_cfg=dict(max_per_img=2100),
)
custom_hooks = [dict(type='OpenSetHook', momentum=0.01, refit=100, interval=50), dict(type='ReportHook')]
load_from = 'checkpoints/yolov5n_coco.pth'  # made by tools/convert_weights.py
