# The official YOLOv5n of COCO, frozen, and the relation head of V-COCO, on pictures. Without training on pictures:
# python -m plugins.sabra.join_checkpoints checkpoints/yolov5n_coco.pth work_dirs/sabra/sabra_vcoco_boxes/best.pth OUT
# With them the head may see them too: visual=dict(channels=128, stride=16, level=1).
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/yolov5n.py',
    '../_base_/models/vcoco_head.py',
    '../_base_/datasets/vcoco.py',
    '../_base_/schedules/relations.py',
]
custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.sabra.register'], allow_failed_imports=False)
detector = _base_.model
preprocessor = detector.pop('data_preprocessor')
detector['test_cfg'].update(score_thr=0.05, multi_label=False)  # a box has one name
model = dict(
    _delete_=True,
    type='RelationDetector',
    detector=detector,
    data_preprocessor=preprocessor,
    max_boxes=32,
    score_thr=0.1,
    head=_base_.vcoco_head,
)
default_hooks = dict(checkpoint=dict(metric='role_ap_s1', interval=500))
load_from = 'checkpoints/yolov5n_coco.pth'  # made by tools/convert_weights.py
custom_hooks = [dict(type='RelationHook'), dict(type='ReportHook', key='role_ap_s1')]
