"""The HU window in which pictures are shown."""

DISPLAY_HU = (-160.0, 240.0)  # the abdominal soft tissue window: level 40, width 400
