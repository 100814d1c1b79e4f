# Around any detector: mean teacher, OODFC and CCE. The detector has one class more than the data, "unknown".
open_set = dict(
    type='OpenSetDetector',
    mode='oodfc_cce',  # supervised, closed, filter, oodfc, cce, oodfc_cce; for analysis: oracle, oodfc[_cce]_oracle
    classes=80,
    burn_in=250,  # steps
    unsup_weight=1.0,
    # pseudo-labels: score_thr is the lowest score that is looked at
    teacher_cfg=dict(
        score_thr=0.05,
        nms=dict(type='nms', iou_threshold=0.6),
        nms_pre=3000,
        max_per_img=300 * 81,  # max_per_class x (known classes + 1)
        max_per_class=300,  # or a frequent class takes the places of all others
        multi_label=False,
    ),
    # T_c follows the AP of the class once the best class has AP 'trust'; 'fixed' is one threshold for all classes
    # planted: val images into which chimeras are planted, whose AP then sets tau_high of 'unknown'; 0 is without
    thresholds=dict(gamma=1.5, lowest=0.2, highest=0.95, trust=0.3, fixed=None, planted=0),
    # floor: share of T_c below which a box is background; most: pseudo-labels over mean labelled objects an image
    # weigh_unknown, max_false_discovery: "unknown" pseudo-labels count less, or not, where chance would make as many
    fusion=dict(
        tau_low=0.95,
        tau_high=0.99,
        objectness=0.6,
        floor=0.5,
        most=1.3,
        weigh_unknown=False,
        max_false_discovery=None,
    ),
    scorer=dict(type='MaxLogit'),  # needs no features, nothing of another data set; any of plugins.openset.scores
    ood_by_class=True,  # a box is compared with labelled boxes that look like the same class, or with all
    imbalance=0.0,  # 0 to 1: punish frequent classes among pseudo-labels
    # the paper's: mode='blend', beta=0.5
    cce=dict(
        mode='feather',
        match_tone=True,
        number=(1, 3),  # crops an image
        eta=1.0,  # class control: 0 draws all classes alike, 1 undoes the imbalance
        unknown=False,  # "unknown" is drawn and embedded like a rare class
        chimeras=0.0,  # share of the crops, 0 to .5, that are made of two classes and called "unknown"
    ),
)
