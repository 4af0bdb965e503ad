"""The two classes, their names and their numbers: tumour is the positive class of every metric."""

NORMAL, TUMOUR = 0, 1
NAMES = ("normal", "tumour")
