"""Cluster metadata as a replayed log: records, image, controller."""
