def spend(*args):
    return None


