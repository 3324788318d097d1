"""What every training shares: the loop, batches, rounding while learning, exact resumption."""
