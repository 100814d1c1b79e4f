# Open-set mean teacher on YOLOv5n; num_classes of the head is the known classes and one more, "unknown".
_base_ = ['./yolov5n.py', '../openset.py']

detector = _base_.model
preprocessor = detector.pop('data_preprocessor')
model = dict(
    _delete_=True,
    **_base_.open_set,
    detector=detector,
    data_preprocessor=dict(type='MultiBranchDataPreprocessor', data_preprocessor=preprocessor),
)
