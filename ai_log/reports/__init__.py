"""What managers read about AI calls."""
