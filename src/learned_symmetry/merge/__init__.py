"""Merging two networks of one architecture: align their channels, average their weights, repair the average.

Entezari et al. 2022, Jordan et al. 2023 (REPAIR), as Bökman and Kahl 2023 use it, one module a step: `channels` says
which layers share a permutation, `matching` finds the permutations, `permute` applies them, `average` merges, `repair`
gives the merged network back the statistics of its endpoints, `barrier` says what was lost.
"""
