import base64

import pytest

from freehold.kit.faults import Fault
from freehold.services.cloudformation import listing


def token(text):
    return base64.urlsafe_b64encode(text.encode()).decode()


def test_a_token_says_where_its_list_goes_on():
    assert listing._position(listing._token("name"), str) == "name"
    assert listing._position(listing._token(7), int) == 7
    assert listing._position(None, int) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [('["a"]', str), ("7", str), ("null", str), ('"a"', int), ("-1", int), ("true", int), ("1e3", int)]
    + [("9" * 30, int), ("[" * 100_000, str), ("no json", str)],
)
def test_tokens_of_other_lists_and_forged_ones_are_refused(text, kind):
    with pytest.raises(Fault, match="Invalid NextToken"):
        listing._position(token(text), kind)
