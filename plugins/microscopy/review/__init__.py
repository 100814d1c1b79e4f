"""``detplug review``: a local page of crops to correct, an audit log of decisions, COCO json that ``train`` takes."""
