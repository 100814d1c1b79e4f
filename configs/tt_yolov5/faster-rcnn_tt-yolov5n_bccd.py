# Faster R-CNN on a Tensor-Train backbone, blood cells.
_base_ = '../yolov5/faster-rcnn_yolov5n_bccd.py'
custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.tensor_train.register'], allow_failed_imports=False)
model = dict(backbone=dict(type='TTYOLOv5Backbone', ranks=16))
