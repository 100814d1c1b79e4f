# Open-set mean teacher on Faster R-CNN with the YOLOv5n backbone; num_classes as openset_yolov5n.py.
# mmdet's two-stage head has no limit of detections a class: max_per_img is 500 proposals times the classes, which cuts
# no box.
_base_ = ['./faster-rcnn_yolov5n.py', '../openset.py']

detector = _base_.model
preprocessor = detector.pop('data_preprocessor')
# the class loss of an unknown object may count less (fusion.weigh_unknown)
detector['roi_head']['type'] = 'WeightedRoIHead'
detector['roi_head']['bbox_head']['type'] = 'WeightedBBoxHead'
# pseudo-labels of a two-stage head
teacher_cfg = dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=500 * 81)
model = dict(
    _delete_=True,
    **dict(_base_.open_set, teacher_cfg=teacher_cfg),
    detector=detector,
    data_preprocessor=dict(type='MultiBranchDataPreprocessor', data_preprocessor=preprocessor),
)
