"""Label rules, one a module, each with ``is_tumour(tumour, boxes, *, threshold) -> bool array``.

`tumour` is a shapely geometry in level-0 pixels, `boxes` is (N, 4) float: left, top, right, bottom of each patch.
"""
