"""Compactors: square maps around a teacher's linear maps, through which it shrinks to a student."""
