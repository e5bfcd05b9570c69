"""Tables: what their columns are, and which units stand for them."""

from rbmfast.tables.columns import Column
from rbmfast.tables.schema import Schema

__all__ = ["Column", "Schema"]
