"""Fidelity metrics, one a module, each with ``measure(real, synthetic, held_out, *, gen)``: features in, numbers out.

The features (N, D) are those of training originals, synthetic patches and held-out originals of other slides. A metric
that does not use the held-out ones checks them as well, so that all refuse the same.
"""
