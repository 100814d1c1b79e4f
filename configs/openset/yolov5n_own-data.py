# Your own two folders, few labelled pictures and many that are not, which ../_base_/datasets/openset_own_data.py names.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/openset_yolov5n.py',
    '../_base_/datasets/openset_own_data.py',
    '../_base_/schedules/semi.py',
]
custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.openset.register'], allow_failed_imports=False)
num_known = len(_base_.classes)
model = dict(
    classes=num_known,
    detector=dict(
        bbox_head=dict(num_classes=num_known + 1, criterion=dict(cls_weight=1.5)),
        test_cfg=dict(max_per_img=300 * (num_known + 1)),
    ),
    teacher_cfg=dict(max_per_img=300 * (num_known + 1)),
)
custom_hooks = [dict(type='OpenSetHook', momentum=0.01, refit=100, interval=50), dict(type='ReportHook')]
load_from = 'checkpoints/yolov5n_coco.pth'  # made by tools/convert_weights.py
