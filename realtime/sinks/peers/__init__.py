"""Peers: programs, brokers and devices that are told live, a module for each kind."""
