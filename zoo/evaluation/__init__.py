"""Evaluation: official metrics, spans, predictions files and their scores."""
