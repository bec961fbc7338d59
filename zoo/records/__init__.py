"""Records: one typed JSON file per measurement, with its environment and digest."""
