"""What `make fuzz` and `make soak` do to Sprig: hostile input, faults of the machine, and long use."""
