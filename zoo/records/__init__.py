"""Records: one JSON file per measured fact, typed, with its environment and digest."""
