"""Who may see the page and press its buttons.

Three doors are kept shut. A browser on another machine needs the token. A page of another site must
not press our buttons or read our stream, so whoever names an origin must be our own page. And a
name that an attacker points at this machine (DNS rebinding) would make his page look like ours, so
only names that are known to be ours are answered.
"""

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

OPEN_TO_ALL = "/healthz"
TOKEN_BYTES = 16
SAFE_METHODS = ("GET", "HEAD")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
WRONG_HOST = (
    "This name is not known as one of this machine's; open the page by IP address, or give the "
    "name as --web NAME:PORT."
)
WRONG_ORIGIN = "Only the page itself may ask for this."
NO_TOKEN = (
    "The address needs its token. `fishrt live` said the whole address, with ?token=, when it "
    "started."
)


def new_token() -> str:
    """A token of 128 bits that is safe in addresses."""
    return secrets.token_urlsafe(TOKEN_BYTES)


@dataclass(frozen=True)
class Access:
    """What lets a request in.

    Attributes:
        token: What a browser must show, or None where only this machine can ask.
        cookie: Name of the cookie that keeps the token.
        names: Names, beside IP addresses, by which this machine may be called, in lower case.
    """

    token: str | None
    cookie: str
    names: frozenset[str] = field(default_factory=frozenset)

    def host_is_ours(self, host: str) -> bool:
        """Whether a `Host` header names this machine; any IP address does.

        A name may have been pointed here by someone else, an IP address cannot.
        """
        try:
            parts = urlsplit(f"//{host}")
            name, _ = parts.hostname or "", parts.port  # a port that is none is an error, too
        except ValueError:
            return False
        if name in self.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def token_is_right(self, shown: str | None) -> bool:
        """Whether a token is ours, in the same time whatever is wrong with it."""
        if self.token is None:
            return True
        return hmac.compare_digest((shown or "").encode(), self.token.encode())


def own_names(host: str, *, loopback: bool) -> frozenset[str]:
    """Names by which this machine may be called.

    Args:
        host: The name that the user gave.
        loopback: Whether only this machine can ask.
    """
    names = {"localhost", host.lower()}
    if not loopback:
        own = socket.gethostname().lower()
        names |= {own, f"{own.partition('.')[0]}.local", socket.getfqdn().lower()}
    return frozenset(names)


def origin_is_ours(origin: str | None, host: str) -> bool:
    """Whether an `Origin` header is that of our own page; a program that is no browser has none."""
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def shown_token(request: web.Request, access: Access) -> str | None:
    """The token of a request: in its address, its cookie, or its `Authorization` header."""
    header = request.headers.get("Authorization", "")
    if header.startswith("Bearer "):
        return header.removeprefix("Bearer ").strip()
    return request.query.get("token") or request.cookies.get(access.cookie)


def refusal(request: web.Request, access: Access) -> web.Response | None:
    """Why a request is refused, or None where it is let in."""
    if not access.host_is_ours(request.host):
        return web.Response(status=403, text=WRONG_HOST)
    changes = request.method not in SAFE_METHODS or "Upgrade" in request.headers
    if changes and not origin_is_ours(request.headers.get("Origin"), request.host):
        return web.Response(status=403, text=WRONG_ORIGIN)
    if request.path == OPEN_TO_ALL or access.token_is_right(shown_token(request, access)):
        return None
    return web.Response(status=401, text=NO_TOKEN)


def keep_token(request: web.Request, response: web.StreamResponse, access: Access) -> None:
    """Lets the browser keep the token, so that the page may take it out of the address."""
    if access.token is not None and "token" in request.query:
        response.set_cookie(access.cookie, access.token, httponly=True, samesite="Strict", path="/")


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Tells the browser to load nothing from elsewhere, and not to tell our address elsewhere."""
    response.headers.update(
        {
            "Content-Security-Policy": POLICY.format(host=request.host),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
    )


def guard(access: Access) -> web.Application:
    """An application that lets in only what `refusal` does not refuse."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        return refusal(request, access) or await handler(request)

    application = web.Application(middlewares=[check], client_max_size=4096)
    application.on_response_prepare.append(add_headers)
    return application
