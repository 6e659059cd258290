"""What managers read about tickets."""
