"""What a network says of its channels, so that they can be matched and permuted: see `Channels`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Channels:
    """Channels that one permutation relabels: all modules that write them and all that read them, by name.

    A plain layer has one writer and one reader. Where layers add into one stream, as in a residual network, all of them
    write the same channels, and everything that reads the stream reads them.

    Attributes:
        watched: the layer whose output (n, channels, ...) is matched, as `learned_symmetry.models.watch` names it.
        writers: modules each of whose parameters and buffers has these channels first: convolutions, batch norms.
        readers: modules whose weight has these channels second: convolutions, and linear layers on 1 x 1 maps.
    """

    watched: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
