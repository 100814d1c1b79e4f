# Open-set mean teacher on YOLOv5n; num_classes of the head is the known classes and one more, "unknown", and
# max_per_img is 300 times that number.
_base_ = ['./yolov5n.py', '../openset.py']

detector = _base_.model
preprocessor = detector.pop('data_preprocessor')
detector.test_cfg.max_per_class = 300  # or a frequent class takes the places of all others
# dict(label=K, prior=p): positives and negatives of "unknown" count half each, as if p of the objects were unknown
detector['bbox_head']['criterion']['balanced'] = None
model = dict(
    _delete_=True,
    **_base_.open_set,
    detector=detector,
    data_preprocessor=dict(type='MultiBranchDataPreprocessor', data_preprocessor=preprocessor),
)
