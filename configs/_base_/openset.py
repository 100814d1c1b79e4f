# Around any detector: mean teacher, OODFC and CCE. The detector has one class more than the data, "unknown".
open_set = dict(
    type='OpenSetDetector',
    mode='oodfc_cce',  # supervised, closed, filter, oodfc, cce, oodfc_cce, oracle
    classes=80,
    burn_in=250,  # steps
    unsup_weight=1.0,
    # pseudo-labels: one class a place; score_thr is the lowest score that is looked at
    teacher_cfg=dict(
        score_thr=0.05, nms=dict(type='nms', iou_threshold=0.6), nms_pre=3000, max_per_img=300, multi_label=False
    ),
    # T_c follows the AP of the class; a number in 'fixed' is one threshold for all classes
    thresholds=dict(gamma=1.5, lowest=0.2, highest=0.95, fixed=None),
    fusion=dict(tau_low=0.95, tau_high=0.99, objectness=0.6, floor=0.05),  # floor: below it a box is background
    scorer=dict(type='MaxLogit'),  # needs no features, nothing of another data set; any of plugins.openset.scores
    ood_by_class=True,  # a box is compared with labelled boxes that look like the same class, or with all
    imbalance=0.0,  # 0 to 1: punish frequent classes among pseudo-labels
    # the paper's: mode='blend', beta=0.5
    cce=dict(mode='feather', match_tone=True, number=(1, 3), eta=1.0),
)
