"""Examples from files, the hub or the generator, and the batches made of them."""
