"""Public web forms: what a visitor sends becomes a conversation with a lead or client."""
