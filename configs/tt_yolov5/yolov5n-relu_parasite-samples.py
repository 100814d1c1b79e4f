# YOLOv5n with ReLU in place of SiLU, for hardware: generated parasite eggs, from scratch. What `make demo` trains.
_base_ = '../yolov5/yolov5n_parasite-samples.py'
model = dict(backbone=dict(act_cfg=dict(type='ReLU')), neck=dict(act_cfg=dict(type='ReLU')))
# of the bundle (plugins/fpga/bundle/settings.py): N of the array; where the HLS project ends; layers simulated in RTL
fpga = dict(board='ZCU104', array=8, hls_ends=['backbone_stage1'], simulated=3)
