"""Shared parts of training: the loop, batches, fake quantization, exact resumption."""
