"""Tables and value types of the cafeteria."""

from domain.model.accounts import Role, Session, User
from domain.model.base import Base
from domain.model.cafeterias import Cafeteria, OpeningException, OpeningInterval
from domain.model.catalogue import Category, Product
from domain.model.idempotency import IdempotencyKey
from domain.model.notifications import Device, Notification, Platform, PushDelivery
from domain.model.operations import Configuration, OutboxEvent
from domain.model.orders import Order, OrderItem, OrderStatus
from domain.model.wallet import Payment, PaymentStatus, Transaction, TransactionKind, Wallet

__all__ = [
    "Base",
    "Cafeteria",
    "Category",
    "Configuration",
    "Device",
    "IdempotencyKey",
    "Notification",
    "OpeningException",
    "OpeningInterval",
    "Order",
    "OrderItem",
    "OrderStatus",
    "OutboxEvent",
    "Payment",
    "PaymentStatus",
    "Platform",
    "Product",
    "PushDelivery",
    "Role",
    "Session",
    "Transaction",
    "TransactionKind",
    "User",
    "Wallet",
]
