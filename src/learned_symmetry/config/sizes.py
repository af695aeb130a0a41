"""How many examples the public data sets have, so that no settings ask for more; stand-ins, which have fewer, give all.

Written out, because settings are checked before there is any file.
"""

from __future__ import annotations

MNIST = {"train": 60_000, "test": 10_000}
NINE_CLASSES = {"MNIST": 63_042, "Fashion-MNIST": 63_000}  # both splits together, without the last class
MNIST6 = {"train": 35_566, "test": 5_953}  # of MNIST's the digits 2, 3, 4, 5, 7 and 9
MNIST1D_TEST = 1_000
CIFAR10 = {"train": 50_000, "test": 10_000}
IMAGENET = {"train": 1_281_167, "val": 50_000}
