"""The language methods are written in: taps, terms, stages, surgery, methods."""
