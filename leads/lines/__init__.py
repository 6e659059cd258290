"""Lines of insurance: the editor of a line's questions, and the records that answer them."""
