"""Changes of training patches, drawn anew each time; one a module, found by its config name.

A module has a function ``augment(images, generator)``: images (B, S, S, 3) uint8 on the device in, the same out.
"""
