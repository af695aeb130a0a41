"""Symmetry-cloning: linear maps that learn to be a (group) convolution from its outputs alone (Huang et al. 2024)."""
