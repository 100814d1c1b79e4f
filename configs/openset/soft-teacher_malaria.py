# mmdet's own SoftTeacher, which knows no unknown class, on the images, detector and steps of
# faster-rcnn_yolov5n_malaria.py, to compare with.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/models/faster-rcnn_yolov5n.py',
    '../_base_/datasets/openset_malaria_320.py',
    '../_base_/schedules/semi.py',
]
custom_imports = dict(imports=['plugins.yolov5.register', 'plugins.openset.register'], allow_failed_imports=False)
detector = _base_.model
preprocessor = detector.pop('data_preprocessor')
detector['roi_head']['bbox_head']['num_classes'] = 3  # red blood cell, ring, gametocyte
detector['test_cfg']['rcnn']['max_per_img'] = 1500  # 500 proposals x 3 classes: none is cut
detector['train_cfg']['rpn']['assigner']['ignore_iof_thr'] = -1  # SoftTeacher has no ignored regions
detector['train_cfg']['rcnn']['assigner']['ignore_iof_thr'] = -1
model = dict(
    _delete_=True,
    type='SoftTeacher',
    detector=detector,
    data_preprocessor=dict(type='MultiBranchDataPreprocessor', data_preprocessor=preprocessor),
    # its published settings (Xu et al. 2021)
    semi_train_cfg=dict(
        freeze_teacher=True,
        sup_weight=1.0,
        unsup_weight=4.0,
        pseudo_label_initial_score_thr=0.5,
        rpn_pseudo_thr=0.9,
        cls_pseudo_thr=0.9,
        reg_pseudo_thr=0.02,
        jitter_times=10,
        jitter_scale=0.06,
        min_pseudo_bbox_wh=(0.01, 0.01),
    ),
    semi_test_cfg=dict(predict_on='teacher'),
)
# it asks every view for boxes and for a homography; a resize to the size that the image has records one
begin = [dict(type='LoadEmptyAnnotations'), dict(type='Resize', scale=_base_.img_scale, keep_ratio=True)]
views = _base_.train_dataloader.dataset.dataset.unlabelled.pipeline[0]
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            unlabelled=dict(
                pipeline=[
                    dict(
                        views,
                        unsup_teacher=[*begin, *views['unsup_teacher']],
                        unsup_student=[*begin, *views['unsup_student']],
                    )
                ]
            )
        )
    )
)
custom_hooks = [dict(type='MeanTeacherHook', momentum=0.01), dict(type='ReportHook')]
load_from = 'checkpoints/yolov5n_coco.pth'  # made by tools/convert_weights.py; only the backbone's tensors fit
