"""What models and losses share: a batch of tensors, and the precision to compute in."""
