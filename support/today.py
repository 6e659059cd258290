def next_due(*args):
    return None


def tickets_due(*args):
    return None


