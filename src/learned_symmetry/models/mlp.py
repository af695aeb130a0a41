"""The student of Nix et al. 2022 for the CNN and the rotation-equivariant teacher (nix2022 protocol 2.2 and 2.5)."""

from __future__ import annotations

from torch import Tensor, nn

from learned_symmetry.models import Dropout

PIXELS, CLASSES = 28 * 28, 10
LAYERS = ("layer1", "layer2", "layer3")  # hooked, before the ReLU (D26): 512, 128 and 32 features


class MLP(nn.Module):
    """Fully connected, no bias in the last layer (D42): (b, 1, 28, 28) -> (b, 10). 472,032 parameters."""

    def __init__(self, hidden: tuple[int, int, int] = (512, 128, 32), dropout: float = 0.1) -> None:
        super().__init__()
        a, b, c = hidden
        self.layer1 = nn.Linear(PIXELS, a)
        self.dropout1 = Dropout(dropout, (a,))
        self.layer2 = nn.Linear(a, b)
        self.dropout2 = Dropout(dropout, (b,))
        self.layer3 = nn.Linear(b, c)
        self.dropout3 = Dropout(dropout, (c,))
        self.head = nn.Linear(c, CLASSES, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.dropout1(self.layer1(x.flatten(1)).relu())
        h = self.dropout2(self.layer2(h).relu())
        h = self.dropout3(self.layer3(h).relu())
        return self.head(h)
