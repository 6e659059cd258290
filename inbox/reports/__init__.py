"""What managers read about conversations."""
