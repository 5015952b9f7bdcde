"""The page: watch a live run in a browser, on this machine or, with a token, on another."""
