"""Streams: each event encoded once per encoding in use, the same immutable bytes for every subscriber. Pure."""
