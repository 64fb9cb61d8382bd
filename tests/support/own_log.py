"""What this program has logged during a test."""

PACKAGES = ("ldm.", "evaluation.", "orchestration.", "search_spaces.", "pancreatune.")


def own_messages(caplog):
    """Return the messages of this program.

    Threads of earlier tests may log meanwhile, such as those of MLflow's client.
    """
    return [one.getMessage() for one in caplog.records if one.name.startswith(PACKAGES)]
