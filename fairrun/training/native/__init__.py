"""The optional native engine: passes of two networks, and optimizers, in C++, for float32 on one CPU thread.

It replaces these parts of a run and leaves the rest to torch, which stays the reference: losses, fairness terms and
every method are torch and autograd as before.  A step rounds differently from torch's, and alike in any stack.
"""
