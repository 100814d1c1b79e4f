# YOLOv5s: depth 0.33, width 0.5; channels 256, 512, 1024 times the width
_base_ = 'yolov5n.py'
model = dict(
    backbone=dict(depth=0.33, width=0.5),
    neck=dict(depth=0.33, in_channels=[128, 256, 512]),
    bbox_head=dict(in_channels=[128, 256, 512]),
)
