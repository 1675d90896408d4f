"""Running converted models: the delegate's library, and interpreters that load it."""
