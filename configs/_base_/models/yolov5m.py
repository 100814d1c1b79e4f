# YOLOv5m: depth 0.67, width 0.75; channels 256, 512, 1024 times the width
_base_ = 'yolov5n.py'
model = dict(
    backbone=dict(depth=0.67, width=0.75),
    neck=dict(depth=0.67, in_channels=[192, 384, 768]),
    bbox_head=dict(in_channels=[192, 384, 768]),
)
