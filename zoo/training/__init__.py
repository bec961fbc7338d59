"""Training: one loop for every method, the plan it follows, its journal and its resumption."""
