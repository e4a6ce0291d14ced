"""This machine's limits, each a program that does the least its definition allows: what Freehold is a share of.

`python -m bench.limits` prints them with 32 connections and with one. The servers are bare on purpose: no routing, no
models, no policies, no checks of the input; but what they do, they do honestly: the signature is verified, a row is
durable before its answer leaves, the event goes through a process of its own.
"""
