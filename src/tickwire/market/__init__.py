"""The fold: records in, events out. A market is a pure function of its tape."""
