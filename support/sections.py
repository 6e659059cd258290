def of_lead(*args):
    return None


def of_client(*args):
    return None


