"""What an operator sees of a server: metrics, logs, and which callback held up the event loop."""
