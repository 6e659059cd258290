"""What the inbox says about people."""
