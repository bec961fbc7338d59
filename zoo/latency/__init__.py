"""Latency of a model's calls, interleaved with its teacher's in a fresh process."""
