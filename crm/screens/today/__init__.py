"""Today: what to do now as one ordered list, made of the sources that the apps register."""
