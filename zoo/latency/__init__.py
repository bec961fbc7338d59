"""How long one call of a model takes, beside its teacher, in a process of its own."""
