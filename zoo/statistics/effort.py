"""How often the bootstrap and the permutation tests draw."""

RESAMPLES = 2_000
PERMUTATIONS = 20_000
