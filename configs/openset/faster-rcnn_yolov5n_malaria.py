# Malaria at 320 px with Faster R-CNN on the YOLOv5n backbone.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/openset_faster-rcnn_yolov5n.py',
    '../_base_/datasets/openset_malaria_320.py',
    '../_base_/schedules/semi.py',
]
custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.openset.register'], allow_failed_imports=False)
model = dict(
    classes=3,
    # max_per_img: 500 proposals x 4 classes
    detector=dict(roi_head=dict(bbox_head=dict(num_classes=4)), test_cfg=dict(rcnn=dict(max_per_img=2000))),
    teacher_cfg=dict(max_per_img=2000),
    cce=dict(number=(4, 10)),  # of about 110 objects an image
)
custom_hooks = [dict(type='OpenSetHook', momentum=0.01, refit=100, interval=50), dict(type='ReportHook')]
load_from = 'checkpoints/yolov5n_coco.pth'  # made by tools/convert_weights.py; only the backbone's tensors fit
