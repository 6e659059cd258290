"""Custom fields of records: the JSON Schema of their definitions, and who may edit them."""
