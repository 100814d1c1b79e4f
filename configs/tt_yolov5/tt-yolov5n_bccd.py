# YOLOv5n with Tensor-Train layers from the first step, blood cells.
_base_ = '../yolov5/yolov5n_bccd.py'
custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.tensor_train.register'], allow_failed_imports=False)
model = dict(type='TTCompressed', of='SingleStageDetector', ranks=16)  # 2, 4, 8, 16 are the paper's; or a ranks.csv
