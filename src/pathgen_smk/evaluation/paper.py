"""What the paper printed, to stand beside what a run gives."""

from pathgen_smk.evaluation.metrics import ConfusionCounts

# Confusion counts behind the paper's Table 2, on 30,000 test patches.
TABLE2 = {
    "original": ConfusionCounts(tn=12821, fp=2179, fn=4514, tp=10486),
    "mixed": ConfusionCounts(tn=12911, fp=2089, fn=5263, tp=9737),
    "synthetic": ConfusionCounts(tn=11250, fp=3750, fn=8428, tp=6572),
}

# The paper's Table 1: (original, synthetic) patches of both classes, as printed.
TABLE1 = {
    ("GAN normal", "train"): "35,000 original",
    ("GAN tumour", "train"): "35,000 original",
    ("original", "train"): "70k original",
    ("original", "validate"): "30k original",
    ("original", "test"): "15k original *",
    ("mixed", "train"): "35k original + 35k synthetic",
    ("mixed", "validate"): "15k original + 15k synthetic",
    ("mixed", "test"): "20k original *",
    ("synthetic", "train"): "70,016 synthetic",
    ("synthetic", "validate"): "30k original",
    ("synthetic", "test"): "15k original *",
}

TABLE1_NOTE = (
    "\\* The printed test sizes (15k, 20k, 15k) cannot be reproduced together: the paper's text says that one test set "
    "serves all arms, and its Table 2 has the rates of 30,000 patches. Here all arms are tested on one set."
)
