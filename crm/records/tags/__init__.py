"""Tags as a whole: where they are used, another name for one, and their colours."""
