"""Statistics of stored predictions: intervals, paired tests, ranks; no model is needed."""
