"""Bad input: requests made from AWS's models, valid or broken in one place, against a live server."""
