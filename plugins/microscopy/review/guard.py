"""Who may talk to the page: a browser of this machine that was given the token, under our own name, and nobody else.

Another user of the machine lacks the token; a page of another site is refused by Host (DNS rebinding), by Origin and by
a cookie that no other site's request carries; what names of files and classes smuggle in is refused by the policy.
"""

import os
import secrets
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = '.token'
POLICY = "; ".join([
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
])  # fmt: skip
HEADERS = {
    'content-security-policy': POLICY,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
}
REFUSED = 'Open the address that detplug review has printed; it holds the token of this page.\n'


def token_in(folder: Path) -> str:
    """The token of the review in ``folder``, the same after a restart, so that open tabs go on; the user's only."""
    path = folder / TOKEN
    try:
        token = path.read_text().strip()
    except FileNotFoundError:
        token = ''
    if len(token) < 32:
        token = secrets.token_urlsafe(32)
        part = path.with_name(f'{TOKEN}.{os.getpid()}')
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w') as file:
            file.write(token)
        os.replace(part, path)
    return token


class Guard:
    """ASGI middleware that lets through what has the token; each answer gets the headers of ``HEADERS``.

    Args:
        port: of 127.0.0.1, that the server listens on.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app, self.token, self.cookie = app, token, f'detplug_review_{port}'
        self.hosts = {f'127.0.0.1:{port}', f'localhost:{port}'}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope['type'] == 'lifespan':
            return await self.app(scope, receive, send)
        if scope['type'] != 'http':
            return None

        async def guarded(message: Message) -> None:
            if message['type'] == 'http.response.start':
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault('cache-control', 'no-store')
            await send(message)

        answer = self._refusal(scope, Headers(scope=scope)) or self.app
        await answer(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        """The answer to who may not come in, or comes in for the first time; None for everybody else."""
        if headers.get('host') not in self.hosts:
            return PlainTextResponse('Not a name of this page.\n', 421)
        if headers.get('origin', '').removeprefix('http://') not in self.hosts | {''}:
            return PlainTextResponse('Not from another site.\n', 403)
        if self._is_token(cookie_parser(headers.get('cookie', '')).get(self.cookie, '')):
            return None
        given = parse_qs(scope['query_string'].decode('latin-1')).get('token', [''])[0]
        if scope['path'] != '/' or not self._is_token(given):
            return PlainTextResponse(REFUSED, 403)
        answer = RedirectResponse('/', 303)
        answer.set_cookie(self.cookie, self.token, httponly=True, samesite='strict', max_age=90 * 86400)
        return answer

    def _is_token(self, text: str) -> bool:
        return secrets.compare_digest(text.encode(), self.token.encode())
