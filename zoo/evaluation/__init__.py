"""How well a model answers: official metrics, spans, prediction files and their scores."""
