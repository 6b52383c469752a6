"""Feeds: where a market's inputs come from when they are not a user's orders."""
