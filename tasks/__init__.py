"""One retryable step each: check, call the engine, log, return a small value."""
