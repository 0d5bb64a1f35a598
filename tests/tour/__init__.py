"""The tour: customers' stories over every door, played against the whole running stack, every figure checked."""
