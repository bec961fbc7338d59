"""From validated specs to resolved entries: recipes, runs, plans and lineage."""
