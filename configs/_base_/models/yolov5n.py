# YOLOv5n: depth .33, width .25; channels 256, 512, 1024 times the width
model = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[0, 0, 0],
        std=[255, 255, 255],
        bgr_to_rgb=True,
        pad_size_divisor=32,
        pad_value=114 / 255,
    ),  # padding follows the division by std
    backbone=dict(type='YOLOv5Backbone', depth=0.33, width=0.25),
    neck=dict(type='YOLOv5Neck', depth=0.33, in_channels=[64, 128, 256]),
    bbox_head=dict(
        type='YOLOv5Head',
        num_classes=80,
        in_channels=[64, 128, 256],
        criterion=dict(type='YOLOv5Loss', box_weight=0.05, obj_weight=1.0, cls_weight=0.5, label_smoothing=0.0),
    ),
    train_cfg=None,
    test_cfg=dict(
        score_thr=0.001,
        nms=dict(type='nms', iou_threshold=0.6),
        nms_pre=30000,  # candidates an image
        max_per_img=300,  # detections of all classes together
        max_per_class=None,  # detections of one class, after suppression; nms_pre then counts those of each class
        multi_label=True,
    ),
)
