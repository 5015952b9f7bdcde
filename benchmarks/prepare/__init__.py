"""How fast `fishrt prepare` is, and how much memory it takes; see `__main__`."""
