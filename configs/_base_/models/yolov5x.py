# YOLOv5x: depth 1.33, width 1.25; channels 256, 512, 1024 times the width
_base_ = 'yolov5n.py'
model = dict(
    backbone=dict(depth=1.33, width=1.25),
    neck=dict(depth=1.33, in_channels=[320, 640, 1280]),
    bbox_head=dict(in_channels=[320, 640, 1280]),
)
