"""Checks of the results that commands give."""


def succeeded(result):
    """The response of a command that succeeded."""
    assert (result["reply"], result["error"]) == ("ok", "none"), result
    return result["response"]


def failed(result, code, *words):
    """Checks that a command failed with this code, and that its text has these words."""
    assert (result["reply"], result["code"]) == ("error", code), result
    for word in words:
        assert word in result["error"], result
