"""What stored predictions say together: intervals, paired tests, ranks; no model is needed."""
