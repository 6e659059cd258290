"""Changes of the kind of a custom field: the conversion of its values, a preview, the job, and its undoing."""
