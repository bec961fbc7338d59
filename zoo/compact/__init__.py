"""Compactors: square maps around a teacher's linear maps that shrink it to a student."""
