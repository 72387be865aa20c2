"""A large heap as programs have it: a dense cyclic graph of customers, orders and lines, indexed in several ways.

It is a module of its own so that the objects are what a program's are: reachable from a name in `sys.modules`.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from typing import Any


class Line:
    """One position of an order; has slots, as classes of many small objects do."""

    __slots__ = ("order", "quantity", "sku", "tags")

    def __init__(self, sku: str, quantity: int, order: Order) -> None:
        self.sku = sku
        self.quantity = quantity
        self.order = order
        self.tags: list[object] = [sku, [quantity]]


class Order:
    """One order, which its lines, its callback and its own notes refer back to."""

    def __init__(self, number: int, customer: Customer) -> None:
        self.number = number
        self.customer = customer
        self.notes: dict[str, Any] = {"k": [number], "n": {"order": self}}
        self.lines = [Line(f"s{number % 997}", quantity, self) for quantity in range(3)]
        self.callback: Callable[[], object] = lambda: (number, self)


class Customer:
    """One customer with all orders, by position and by number."""

    def __init__(self, number: int) -> None:
        self.name = f"c{number}"
        self.orders: list[Order] = []
        self.index: dict[int, Order] = {}


orders: list[Order] = []
customers: list[Customer] = []
by_number: dict[int, Order] = {}
groups: dict[int, list[tuple[Order, Customer]]] = {}


def build(objects: int) -> None:
    """Add to the heap until the collector tracks at least `objects` objects."""
    choose = random.Random(1).choice
    gc.disable()  # as importing the data of a program takes the longest part of its start otherwise
    try:
        while len(gc.get_objects()) < objects:
            for number in range(len(orders), len(orders) + max(100, objects // 500)):
                _add(number, choose)
    finally:
        gc.enable()
    gc.collect()


def _add(number: int, choose: Callable[[list[Customer]], Customer]) -> None:
    if number % 10 == 0:
        customers.append(Customer(number))
    customer = choose(customers)
    order = Order(number, customer)
    customer.orders.append(order)
    customer.index[number] = order
    orders.append(order)
    by_number[number] = order
    groups.setdefault(number % 1009, []).append((order, customer))
