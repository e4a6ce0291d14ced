"""Bad input at a live server: operations on things that exist, front doors, forged signatures, hostile functions."""
