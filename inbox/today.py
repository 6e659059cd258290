def we_owe(*args):
    return None


def replies_owed(*args):
    return None


