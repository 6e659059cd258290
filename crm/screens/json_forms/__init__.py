"""JSON columns and JSON payloads as proper inputs, made from a JSON Schema."""
