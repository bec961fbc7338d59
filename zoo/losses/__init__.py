"""Distillation losses: pure functions of student, teacher or labels, and a batch."""
