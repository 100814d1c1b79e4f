# TT-YOLOv5s as in the paper: one rank for every layer of backbone, neck and head.
_base_ = '../yolov5/yolov5s_coco.py'
custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.tensor_train.register'], allow_failed_imports=False)
model = dict(type='TTCompressed', of='SingleStageDetector', ranks=16)  # 2, 4, 8, 16 are the paper's; or a ranks.csv
