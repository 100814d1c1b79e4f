# YOLOv5l: depth 1.0, width 1.0; channels 256, 512, 1024 times the width
_base_ = 'yolov5n.py'
model = dict(
    backbone=dict(depth=1.0, width=1.0),
    neck=dict(depth=1.0, in_channels=[256, 512, 1024]),
    bbox_head=dict(in_channels=[256, 512, 1024]),
)
