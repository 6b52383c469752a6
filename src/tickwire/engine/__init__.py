"""The exchange's matching engine, by price then time, and its slow reference twin. Pure."""
