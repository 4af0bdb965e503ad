"""What a generator might do to a training patch that it gives back: the audit's planted copies, one kind a module.

Each has ``perturb(image, gen)``: an (S, S, 3) uint8 patch in, another out; all that is random is drawn from `gen`.
"""
