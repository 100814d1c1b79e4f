# The relation head of V-COCO: 29 actions with their roles, 80 object classes.
vcoco_head = dict(
    type='RelationHead',
    predicates=29,
    object_kinds=[0] + [1] * 79,  # person, anything else
    subject_labels=[0],
    intransitive=True,  # an action whose object is not in the picture
    power=0.75,  # chosen on the held-out tenth of train, YOLOv5n's noise (sabra_power); UPT's 2.8: DETR's scores
    graph=dict(dims=128, layers=2, one_type=False),
    mask_weight=1.0,
    dims=128,
    sampler=dict(type='BalancedNegativeSampler', num_pairs=32, pos_fraction=0.5, scope='batch', replacement=True),
)
