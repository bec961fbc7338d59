"""distilzoo: a declarative zoo of distilled BERTs with reproducible benchmarks."""
