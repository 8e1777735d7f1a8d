"""Who is asking: accounts and their passwords, sessions, and the tokens that prove both."""

from domain.accounts.accounts import MOST_ADDRESS, MOST_NAME, Accounts, same_for_all_spellings
from domain.accounts.passwords import LEAST_PASSWORD, MOST_PASSWORD
from domain.accounts.sessions import MOST_DEVICE_NAME, Device, Grant, Person, Session, Sessions
from domain.accounts.tokens import ACCESS_TOKEN_LIFETIME, AccessTokens, Principal, RefreshToken

__all__ = [
    "ACCESS_TOKEN_LIFETIME",
    "LEAST_PASSWORD",
    "MOST_ADDRESS",
    "MOST_DEVICE_NAME",
    "MOST_NAME",
    "MOST_PASSWORD",
    "AccessTokens",
    "Accounts",
    "Device",
    "Grant",
    "Person",
    "Principal",
    "RefreshToken",
    "Session",
    "Sessions",
    "same_for_all_spellings",
]
