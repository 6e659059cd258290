"""What managers read about suggestions."""
