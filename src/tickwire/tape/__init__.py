"""The tape: the one ordered, durable log of inputs that a market is a function of."""
